"""`spirl skills`: what it prints and what it refuses."""

import importlib.util
import json

import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("skills need torch", allow_module_level=True)

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.storage import write_dataset
from spirl_ros.skills.run import SkillRun
from tests.demonstrations.small_dataset import make_dataset
from tests.training_events import events_of

SMALL = ("encoder_hidden=8", "decoder_hidden=8", "prior_hidden=8", "batch_size=8", "validation_every=5")


def train_arguments(folder, *more: str) -> list[str]:
    settings = [argument for change in SMALL for argument in ("--set", change)]
    return ["skills", "train", "--data", str(folder / "data"), "--out", str(folder / "run"), *settings, *more]


@pytest.fixture
def folder(tmp_path):
    write_dataset(tmp_path / "data", make_dataset(lengths=(20, 25, 30)))
    return tmp_path


def test_training_prints_its_result_as_json_last(folder, capsys):
    assert main(train_arguments(folder, "--steps", "10", "--json")) == 0
    figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert figures["steps"] == 10
    assert {"reconstruction", "kl", "prior", "best_validation_loss"} <= set(figures)
    for name in ("config.yaml", "best.pt", "checkpoint.pt", "metrics.jsonl"):
        assert (folder / "run" / name).is_file()


def test_tensorboard_shows_what_the_metrics_say(folder):
    assert main(train_arguments(folder, "--steps", "50")) == 0
    metrics = SkillRun.open(folder / "run").metrics()
    events = events_of(folder / "run")
    names = ("beta", "reconstruction", "kl", "prior")
    assert set(events) == {f"{part}/{name}" for part in ("training", "validation") for name in names}
    validations = [(line["step"], line["kl"]) for line in metrics if line["part"] == "validation"]
    assert [step for step, _ in validations] == list(range(5, 51, 5))
    assert events["validation/kl"] == [(step, pytest.approx(value)) for step, value in validations]
    assert [step for step, _ in events["training/reconstruction"]] == [50]


def test_finished_training_can_be_resumed_without_harm(folder, capsys):
    assert main(train_arguments(folder, "--steps", "10")) == 0
    before = (folder / "run" / "best.pt").read_bytes()
    assert main(["skills", "train", "--out", str(folder / "run"), "--resume"]) == 0
    assert (folder / "run" / "best.pt").read_bytes() == before


def test_finished_training_can_be_made_longer(folder, capsys):
    assert main(train_arguments(folder, "--steps", "10")) == 0
    resume = ["skills", "train", "--out", str(folder / "run"), "--resume"]
    assert main([*resume, "--steps", "9"]) == 2
    assert "steps is 9, but" in capsys.readouterr().err
    assert main([*resume, "--steps", "20"]) == 0
    assert [line["step"] for line in SkillRun.open(folder / "run").metrics() if line["part"] == "validation"] == [
        5,
        10,
        15,
        20,
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--set", "skill_horizon=21"), "skill_horizon is 21, but episode 0 has only 20 control steps"),
        (("--set", "validation_share=0.0", "--decoder", "both"), "decoder is 'both', expected one of closed_loop"),
        (("--preset", "fast"), "preset is 'fast', expected one of quick, full, robust, pictures, official"),
        (("--task", "kettle"), "task"),
    ],
)
def test_impossible_training_is_refused_before_anything_is_written(folder, capsys, more, message):
    assert main(train_arguments(folder, *more)) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "run").exists()


def test_too_few_episodes_for_the_split_are_refused(tmp_path, capsys):
    write_dataset(tmp_path / "data", make_dataset(lengths=(20,)))
    assert main(train_arguments(tmp_path)) == 2
    assert "expected at least 2 to split off some for validation" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_resuming_with_other_data_or_settings_is_refused(folder, capsys):
    assert main(train_arguments(folder, "--steps", "5")) == 0
    write_dataset(folder / "other", make_dataset(lengths=(20, 25)))
    assert main(["skills", "train", "--out", str(folder / "run"), "--resume", "--data", str(folder / "other")]) == 2
    assert "was trained on" in capsys.readouterr().err
    assert main(["skills", "train", "--out", str(folder / "run"), "--resume", "--seed", "1"]) == 2
    assert "Leave other settings than --steps out" in capsys.readouterr().err


def test_evaluating_what_is_no_training_is_refused(tmp_path, capsys):
    assert main(["skills", "eval", str(tmp_path)]) == 2
    assert "is no skill training" in capsys.readouterr().err
