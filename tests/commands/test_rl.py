"""`spirl rl` and `spirl export --policy` from tiny skills to an evaluated bundle, in the real simulator."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs torch")
pytest.importorskip("onnx", reason="export needs onnx")

from spirl_ros.commands import rl_reproduce  # noqa: E402 - after the check for torch
from spirl_ros.commands.main import main  # noqa: E402
from spirl_ros.rl import quick_reproduction  # noqa: E402
from spirl_ros.rl.quick_reproduction import QuickReproduction  # noqa: E402
from spirl_ros.rl.run import RlRun  # noqa: E402
from spirl_ros.rl.train import train_policy  # noqa: E402
from spirl_ros.skills.run import SkillRun  # noqa: E402
from spirl_ros.training_folder import CHECKPOINT_FILE  # noqa: E402
from tests.commands.test_export import make_run  # noqa: E402
from tests.training_events import events_of  # noqa: E402

TINY = ("batch_size=8", "critic_hidden=8", "critic_layers=1", "evaluation_episodes=1", "evaluate_every=300")
TINY += ("warm_up_decisions=2", "offline_updates=5", "prior_steps=5", "environments=1")


def arguments(skills, out, *more: str) -> list[str]:
    changes = [part for change in TINY for part in ("--set", change)]
    return ["rl", "train", "--skills", str(skills), "--out", str(out), "--steps", "40", *changes, *more]


@pytest.fixture(scope="module")
def skills(tmp_path_factory):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return make_run(tmp_path_factory.mktemp("skills")).folder


def test_a_policy_is_trained_exported_and_evaluated(skills, tmp_path, capsys):
    run = tmp_path / "rl"
    assert main(arguments(skills, run, "--json")) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["run"] == str(run)
    metrics = RlRun.open(run).metrics()
    assert metrics[-1]["part"] == "evaluation"
    events = events_of(run)  # what tensorboard --logdir shows
    assert events["evaluation/ordered"] == [(metrics[-1]["step"], metrics[-1]["ordered"])]
    updates = [(line["step"], line["cost"]) for line in metrics if line["part"] == "update"]
    assert updates and events["update/cost"] == [(step, pytest.approx(cost)) for step, cost in updates]
    assert "evaluation/is_best" not in events
    bundle = tmp_path / "bundle"
    assert main(["export", str(skills), "--policy", str(run), "--out", str(bundle)]) == 0
    capsys.readouterr()
    assert main(["rl", "eval", "--bundle", str(bundle), "--episodes", "1", "--workers", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    keys = {"completed_subtasks_mean", "completed_subtasks_sem", "ordered_mean", "per_subtask", "episodes"}
    assert keys | {"env_steps_per_s"} <= set(figures)
    assert list(figures["per_subtask"]) == ["microwave", "kettle", "bottom_burner", "light_switch"]
    short = ["rl", "eval", "--bundle", str(bundle), "--episodes", "1", "--json", "--max-steps"]
    assert main([*short, "7"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["steps_mean"] == 7.0
    assert main([*short, "0"]) == 2 and "max_steps is 0" in capsys.readouterr().err
    assert main([*short, "7", "--peer"]) == 2 and "max" in capsys.readouterr().err
    assert main(["rl", "eval", "--bundle", str(bundle), "--task", "kettle"]) == 2
    assert "task is kettle, but the policy" in capsys.readouterr().err
    few = ["rl", "eval", "--bundle", str(bundle), "--episodes", "1", "--json"]
    assert main([*few, "--disturb", "kettle_mass,actions_1_late"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = json.loads(lines[-1])["disturbances"]
    assert list(rows) == ["undisturbed", "kettle_mass", "actions_1_late"] == [line.split()[0] for line in lines[1:4]]
    assert set(rows["kettle_mass"]) == set(figures) and rows["undisturbed"]["ordered_mean"] == figures["ordered_mean"]
    assert main([*few, "--disturb", "kettle"]) == 2
    assert "disturbance is 'kettle', but the kitchen has joints_offset, " in capsys.readouterr().err
    assert main([*few, "--disturb", "all", "--video", str(tmp_path / "film.gif")]) == 2
    assert "leave --disturb out" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["ssp", "bc-sac"])
def test_baselines_run(skills, tmp_path, method):
    assert main(arguments(skills, tmp_path / method, "--method", method, "--set", "demos_in_replay=false")) == 0
    steps = [v["step"] for v in RlRun.open(tmp_path / method).metrics() if v["part"] == "evaluation"]
    assert len(steps) == 1 and 40 <= steps[0] < 50  # the last decision is carried out to its end


def test_single_actions_are_no_bundle(skills, tmp_path, capsys):
    assert main(arguments(skills, tmp_path / "flat", "--method", "flat-prior")) == 0
    assert main(["export", str(skills), "--policy", str(tmp_path / "flat"), "--out", str(tmp_path / "out")]) == 2
    assert "trained with flat-prior, which has no skills" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("has_skills", [False, True])
def test_single_actions_are_evaluated_with_and_without_skills_given(skills, tmp_path, capsys, has_skills):
    command = arguments(skills, tmp_path / "sac", "--method", "sac", "--no-demos-in-replay")
    if not has_skills:
        del command[command.index("--skills") : command.index("--out")]
    assert main(command) == 0
    assert (RlRun.open(tmp_path / "sac").config.skills is not None) == has_skills
    capsys.readouterr()
    assert main(["rl", "eval", "--run", str(tmp_path / "sac"), "--episodes", "1", "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ordered_counts"] == [1, 0, 0, 0, 0]


def test_what_is_refused_leaves_no_folder(skills, tmp_path, capsys):
    """A run that was refused once the networks were made left its folder, and the corrected command was refused for
    that."""
    out = tmp_path / "rl"
    assert main(arguments(skills, out, "--method", "ssp", "--set", "max_latent=0")) == 2
    assert "entropy has no bound" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--resume", "--preset", "paper"), "Leave other settings than --steps out"),
        (("--jobs", "2"), "so --jobs would do nothing"),
    ],
)
def test_options_that_would_do_nothing_are_refused(skills, tmp_path, capsys, more, message):
    out = tmp_path / "rl"
    if "--resume" in more:
        assert main(arguments(skills, out)) == 0
    assert main(["rl", "train", "--out", str(out), *more]) == 2
    assert message in capsys.readouterr().err


def test_resume_goes_on_where_an_interrupted_run_stopped(skills, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(arguments(skills, whole)) == 0
    assert main(arguments(skills, broken, "--steps", "1")) == 0  # makes the folder
    text = (broken / "config.yaml").read_text().replace("steps: 1\n", "steps: 40\n")
    for path in broken.glob("*.pt"):
        path.unlink()
    (broken / "config.yaml").write_text(text)

    def interrupt(report):
        if report.step >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_policy(RlRun.open(broken), interrupt)
    assert main(["rl", "train", "--out", str(broken), "--resume"]) == 0
    expected, found = (torch.load(folder / CHECKPOINT_FILE, weights_only=True) for folder in (whole, broken))
    assert found["counts"] == expected["counts"]
    for part in ("policy", "critic", "target_critic"):
        for key, value in expected["learner"][part].items():
            assert torch.equal(value, found["learner"][part][key])
    np.testing.assert_array_equal(found["replay"]["columns"]["latent"], expected["replay"]["columns"]["latent"])
    assert figures_of(broken) == figures_of(whole)


def figures_of(folder: Path) -> list[dict]:
    """Lines of the metrics without what the machine decides."""
    return [{**line, "seconds": 0.0} for line in RlRun.open(folder).metrics()]


def test_metrics_of_a_killed_and_resumed_run_are_those_of_one_that_was_not(skills, tmp_path):
    """Lines of the offline phase, which all have step 0, stood there twice, and lines about updates were others."""
    more = ("--set", "offline_updates=250", "--set", "evaluate_every=20")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(arguments(skills, whole, *more)) == 0
    assert [line["updates"] for line in figures_of(whole) if line["part"] == "update"][:3] == [50, 100, 200]
    shutil.copytree(whole, broken)
    for name in ("metrics.jsonl", "checkpoint.pt", "best.pt"):
        (broken / name).unlink()
    for kill_at_updates, kill_at_step in ((150, 0), (0, 30)):

        def kill(report, updates=kill_at_updates, step=kill_at_step):
            if report.updates >= updates and report.step >= step:
                raise MemoryError  # nothing is saved

        with pytest.raises(MemoryError):
            train_policy(RlRun.open(broken), kill)
    assert main(["rl", "train", "--out", str(broken), "--resume"]) == 0
    assert figures_of(broken) == figures_of(whole)


def test_a_finished_run_can_be_made_longer(skills, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(arguments(skills, run)) == 0
    begun = figures_of(run)
    assert main(["rl", "train", "--out", str(run), "--resume", "--steps", "30"]) == 2
    assert "steps is 30, but" in capsys.readouterr().err
    assert main(["rl", "train", "--out", str(run), "--resume", "--steps", "80"]) == 0
    longer = figures_of(run)
    assert longer[: len(begun)] == begun and 80 <= longer[-1]["step"] < 90


def test_bad_input_is_one_line_with_the_next_step(skills, tmp_path, capsys):
    out = tmp_path / "rl"
    for more, message in (
        (("--task", "toaster"), "'toaster' is neither a task nor a subtask"),
        (("--method", "dqn"), "method is 'dqn', expected one of spirl"),
        (("--preset", "worst"), "preset is 'worst'"),
        (("--set", "alpha=1"), "'alpha' is unknown"),
        (("--set", "robot=ur5e", "--no-demos-in-replay"), "Learn on the arm, with the trainer node"),
    ):
        assert main(arguments(skills, out, *more)) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()
    for more, message in (
        ((), "--skills is missing"),
        (("--method", "bc-sac"), "Only --method sac needs none"),
        (("--method", "sac", "--demos-in-replay"), "without --skills there are no demonstrations"),
        (("--method", "sac", "--data", str(skills)), "so --data would do nothing"),
    ):
        assert main(["rl", "train", "--out", str(out), *more]) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()
    assert main(["rl", "eval", "--run", str(skills)]) == 2
    assert "cannot be used" in capsys.readouterr().err
    skill_bundle = tmp_path / "skills"
    assert main(["export", str(skills), "--out", str(skill_bundle)]) == 0
    assert main(["rl", "eval", "--bundle", str(skill_bundle)]) == 2
    assert "holds skills alone, expected a policy" in capsys.readouterr().err


def test_a_checkpoint_of_another_method_is_refused_and_left_alone(skills, tmp_path, capsys):
    assert main(arguments(skills, tmp_path / "spirl")) == 0
    assert main(arguments(skills, tmp_path / "ssp", "--method", "ssp", "--set", "demos_in_replay=false")) == 0
    foreign = tmp_path / "spirl" / CHECKPOINT_FILE
    foreign.write_bytes((tmp_path / "ssp" / CHECKPOINT_FILE).read_bytes())
    before = foreign.read_bytes()
    assert main(["rl", "train", "--out", str(tmp_path / "spirl"), "--resume"]) == 2
    assert f"{foreign} does not fit config.yaml beside it" in capsys.readouterr().err
    assert foreign.read_bytes() == before


def test_several_seeds_learn_side_by_side_and_resume_leaves_finished_ones(skills, tmp_path, capfd):
    out = tmp_path / "seeds"
    assert main(arguments(skills, out, "--seeds", "0,3", "--jobs", "2")) == 0
    told = capfd.readouterr().out
    assert "seed 3 learns; its progress is in" in told
    assert "seed_0: last 20 episodes" in told and "all: " in told
    seeds = [RlRun.open(out / name).config.training.seed for name in ("seed_0", "seed_3")]
    assert seeds == [0, 3]
    before = [path.stat().st_mtime_ns for path in sorted(out.glob("*/metrics.jsonl"))]
    assert main(["rl", "train", "--out", str(out), "--seeds", "0,3", "--resume"]) == 0
    assert [path.stat().st_mtime_ns for path in sorted(out.glob("*/metrics.jsonl"))] == before


def test_bad_seeds_are_refused(skills, tmp_path, capsys):
    for seeds, expected in (("a", "expected whole numbers"), ("1,1", "expected different numbers")):
        assert main(arguments(skills, tmp_path / "out", "--seeds", seeds)) == 2
        assert expected in capsys.readouterr().err
    assert main(arguments(skills, tmp_path / "out", "--seeds", "0,1", "--seed", "1")) == 2
    assert "--seeds stands alone" in capsys.readouterr().err


def test_quick_reproduction_evaluates_other_episodes_at_its_end(skills, tmp_path, monkeypatch, capsys):
    """With tiny sizes, and without the demonstrations and skills, which are there already."""
    for name, there in (("skills", skills), ("data", Path(SkillRun.open(skills).config.dataset.folder))):
        (tmp_path / name).symlink_to(there)
    quick = QuickReproduction(tmp_path, changes=(*TINY, "stop_at=3.9"), steps=40, episodes=2)
    monkeypatch.setattr(quick_reproduction, "QuickReproduction", lambda folder, seed: quick)
    monkeypatch.setattr(rl_reproduce, "_run", lambda given: 0 if given[0] == "skills" else main(list(given)))
    command = ["rl", "reproduce", "kitchen", "--quick", "--out", str(tmp_path)]
    assert main(command) == 0
    record = quick.record()
    assert record["evaluation"]["episodes"] == 2 and record["seconds"]["task"] > 0.0
    (row,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("| 4")
    ]  # 40 steps and a few more
    assert f"| {record['evaluation']['ordered_mean']:.2f} ± " in row and row in (tmp_path / "results.md").read_text()
    monkeypatch.setattr(rl_reproduce, "_run", lambda given: pytest.fail(f"{given} runs again"))
    assert main(command) == 0


@pytest.mark.parametrize(("more", "is_robust"), [((), True), (("--preset", "best"), False)])
def test_policy_with_robust_skills_learns_in_disturbed_episodes_unless_told_otherwise(
    skills, tmp_path, more, is_robust
):
    robust = tmp_path / "skills"
    shutil.copytree(skills, robust)
    settings = robust / "config.yaml"
    settings.write_text(settings.read_text().replace("robust: false", "robust: true"))
    assert main(arguments(robust, tmp_path / "rl", *more)) == 0
    run = RlRun.open(tmp_path / "rl")
    assert run.config.training.robust == is_robust and run.metrics()[-1]["part"] == "evaluation"
