"""What a reproduction runs, and what it reports of runs that are there."""

import shutil
from dataclasses import asdict

import pytest

from spirl_ros.commands.main import main
from spirl_ros.errors import ConfigError
from spirl_ros.rl import quick_reproduction as quick_module
from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig, resolve
from spirl_ros.rl.quick_reproduction import QuickReproduction, quick_table
from spirl_ros.rl.reproduction import VARIANTS, Reproduction, chosen_variants
from spirl_ros.rl.results_report import write_report
from spirl_ros.rl.run import RlRun, RlRunConfig, SkillsReference


def test_a_new_folder_needs_everything_in_order(tmp_path):
    commands = Reproduction(tmp_path, chosen_variants("best,spirl-open-loop"), seeds=(0, 1), jobs=2).commands()
    assert [command[:2] for command in commands] == [
        ["demos", "collect"],
        ["skills", "train"],
        ["skills", "train"],
        ["rl", "train"],
        ["rl", "train"],
    ]
    assert "closed_loop" in commands[1] and "open_loop" in commands[2]
    assert commands[4][commands[4].index("--skills") + 1] == str(tmp_path / "skills_open_loop")
    assert commands[3][commands[3].index("--seeds") + 1] == "0,1"


def test_what_is_there_goes_on(tmp_path):
    for name in ("data", "skills", "rl/best"):
        (tmp_path / name).mkdir(parents=True)
    commands = Reproduction(tmp_path, chosen_variants("best")).commands()
    assert [command[:2] for command in commands] == [["skills", "train"], ["rl", "train"]]
    assert all("--resume" in command for command in commands)


def test_the_quick_one_learns_one_seed_until_it_is_good(tmp_path):
    learn = QuickReproduction(tmp_path).reproduction.commands()[-1]
    assert "stop_at=3.9" in learn and "evaluation_episodes=20" in learn
    assert learn[learn.index("--seeds") + 1] == "0"


def test_the_quick_one_makes_everything_with_its_seed(tmp_path):
    """`--quick --seeds 5` ran seed 0 without a word."""
    collect, train, learn = QuickReproduction(tmp_path, 5).reproduction.commands()
    assert [given[given.index(name) + 1] for given, name in ((collect, "--seed"), (train, "--seed"))] == ["5", "5"]
    assert learn[learn.index("--seeds") + 1] == "5"


def test_a_folder_of_another_seed_is_refused(tmp_path, capsys):
    QuickReproduction(tmp_path, 5).add_seconds("skills", 1.0)
    assert main(["rl", "reproduce", "kitchen", "--quick", "--out", str(tmp_path)]) == 2
    assert f"{tmp_path} was begun with seed 5, but 0 is asked for. Choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_every_variant_is_a_setting_that_exists(variant):
    options = list(variant.options)
    preset = options[options.index("--preset") + 1]
    changes = [options[i + 1] for i, part in enumerate(options) if part == "--set"]
    changes += [f"{part[2:]}={options[i + 1]}" for i, part in enumerate(options) if part in ("--method", "--task")]
    learner, training = resolve(preset, changes)
    assert isinstance(learner, LearnerConfig) and isinstance(training, RlTrainingConfig)


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="there is no 'besst', expected some of best"):
        chosen_variants("besst")


def make_run(folder, ordered: list[int]) -> None:
    config = RlRunConfig(LearnerConfig(), RlTrainingConfig(), SkillsReference("s", "0" * 64, "d"), commit="abc")
    run = RlRun(folder, config)
    run.begin(asdict(config))
    for index, value in enumerate(ordered):
        row = {"step": 200 * (index + 1), "seconds": 60.0 * (index + 1), "part": "episode"}
        run.append_metrics({**row, "ordered": value, "completed": value})
    run.append_metrics({"step": 200 * len(ordered), "seconds": 1.0, "part": "evaluation", "ordered": 3.7})


def test_the_report_has_a_row_for_what_was_run_and_only_for_that(tmp_path, capsys):
    make_run(tmp_path / "rl" / "best" / "seed_0", [0] * 20 + [4] * 60)
    make_run(tmp_path / "rl" / "best" / "seed_1", [2] * 80)
    paths = write_report(Reproduction(tmp_path, chosen_variants(None)), tmp_path / "results.md")
    text = paths[0].read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| our recipe")]
    assert "| 2 | 16 k | 3.00 ± 1.41 |" in row
    assert "not in every seed" in row  # seed 1 never reaches 2.5
    assert "behavioural cloning, then SAC | 2" not in text
    assert "commit abc" in text
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    # What was run stays in the report when its folder is gone, and one file of it more does not change that.
    shutil.rmtree(tmp_path / "rl")
    make_run(tmp_path / "rl" / "spirl" / "seed_0", [1] * 30)
    again = write_report(Reproduction(tmp_path, chosen_variants(None)), tmp_path / "results.md")[0].read_text()
    assert row in again and "| SPiRL, closed loop | 1 | 6 k | 1.00 |" in again
    assert main(["rl", "reproduce", "kitchen", "--out", str(tmp_path), "--report-only", "--only", "best"]) == 0
    assert str(tmp_path / "results.md") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quick", "--only", "best"), "--quick learns one seed of one method until it is good, so --only would do"),
        (("--quick", "--seeds", "5,6"), "--quick learns one seed, but --seeds is '5,6'. Call it once for each"),
        (("--quick", "--jobs", "2", "--steps", "9"), "so --jobs, --steps would do nothing"),
        (("--report-only", "--jobs", "2"), "--report-only runs nothing, so --jobs would do nothing"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path, capsys, options, message):
    """`--quick --jobs 2` did the same as without."""
    assert main(["rl", "reproduce", "kitchen", "--out", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def make_quick_run(folder, *evaluations: tuple[int, float]) -> None:
    training = RlTrainingConfig(steps=60_000, stop_at=3.9)
    run = RlRun(folder, RlRunConfig(LearnerConfig(), training, SkillsReference("s", "0" * 64, "d")))
    run.begin(asdict(run.config))
    for step, ordered in evaluations:
        run.append_metrics({"step": step, "part": "evaluation", "ordered": ordered})


def test_a_run_is_finished_after_two_good_evaluations(tmp_path):
    make_quick_run(tmp_path / "one", (2500, 3.0), (5000, 3.95))
    make_quick_run(tmp_path / "apart", (2500, 3.95), (5000, 3.0), (7500, 3.95))
    make_quick_run(tmp_path / "two", (2500, 3.95), (5000, 3.9))
    make_quick_run(tmp_path / "all", (60_007, 1.0))
    finished = {name: RlRun.open(tmp_path / name).is_finished for name in ("one", "apart", "two", "all")}
    assert finished == {"one": False, "apart": False, "two": True, "all": True}


def test_the_quick_row_tells_other_episodes_and_all_the_time(tmp_path, monkeypatch, capsys):
    """The report took the run's own evaluation for the result, said "never" beside it, and counted the last call's
    time."""
    quick = QuickReproduction(tmp_path)
    make_quick_run(quick.run_folder, (5000, 3.95), (7500, 4.0))
    quick.add_seconds("demonstrations", 60.0)
    quick.add_seconds("demonstrations", 66.0)  # of a second call
    quick.add_seconds("skills", 180.0)
    assert not quick.is_done
    assert "not yet" in quick_table(quick)[-1]
    figures = {"ordered_mean": 3.7, "ordered_sem": 0.06}
    monkeypatch.setattr(quick_module, "exported_policy", lambda run, folder: None)
    monkeypatch.setattr(
        quick_module, "evaluate_bundle", lambda bundle, settings: {**figures, "episodes": settings.episodes}
    )
    quick.evaluate(iter((0.0, 30.0)).__next__)
    # 2.1 + 3.0 + 0.0 + 0.5 minutes
    row = "| 7,500 | 3.95, 4.00 | 3.70 ± 0.06 | 2.1 + 3.0 + 0.0 + 0.5 = 5.6 |"
    assert quick_table(quick)[-1] == row and quick.record()["evaluation"]["episodes"] == 50
    assert quick.is_done  # so the same command again runs nothing
    assert main(["rl", "reproduce", "kitchen", "--quick", "--out", str(tmp_path)]) == 0
    assert row in capsys.readouterr().out
    assert row in (tmp_path / "results.md").read_text()
    quick.add_seconds("task", 1.0)
    assert not quick.is_done  # the policy may be another one now


def test_ctrl_c_lets_the_command_save_and_its_time_count(tmp_path, monkeypatch):
    """The command was killed a quarter of a second after Ctrl-C, its checkpoint half written."""
    waits = []

    class Command:
        def __init__(self, command):
            assert "collect" in command

        def wait(self):
            waits.append(len(waits))
            if len(waits) == 1:
                raise KeyboardInterrupt
            return 130

    monkeypatch.setattr("spirl_ros.commands.rl_reproduce.subprocess.Popen", Command)
    assert main(["rl", "reproduce", "kitchen", "--quick", "--out", str(tmp_path)]) == 130
    assert waits == [0, 1]
    assert list(QuickReproduction(tmp_path).record()["seconds"]) == ["demonstrations"]


def test_a_quick_report_of_nothing_is_refused(tmp_path, capsys):
    assert main(["rl", "reproduce", "kitchen", "--quick", "--report-only", "--out", str(tmp_path)]) == 2
    assert "is not there yet. Leave --report-only out" in capsys.readouterr().err
