"""The learner as a real process: transitions in, policies out, checkpoints, and what a killed trainer leaves."""

import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs torch")
pytest.importorskip("onnxscript")
pytest.importorskip("gymnasium_robotics")

from spirl_ros.errors import SpirlError  # noqa: E402
from spirl_ros.rl.learner import new_learner  # noqa: E402
from spirl_ros.rl.learner_link import LearnerLink, learner_arguments  # noqa: E402
from spirl_ros.rl.learner_process import open_run  # noqa: E402
from spirl_ros.rl.replay import SkillTransition  # noqa: E402
from spirl_ros.rl.run import RlRun  # noqa: E402
from tests.commands.test_export import make_run  # noqa: E402
from tests.rl.begun_run import begin_run  # noqa: E402
from tests.training_events import events_of  # noqa: E402

CHANGES = ["batch_size=8", "critic_hidden=8", "critic_layers=1", "warm_up_decisions=4", "steps=300"]
CHANGES += ["demos_in_replay=false", "offline_updates=0", "updates_per_decision=2.0"]
PATIENCE_S = 90.0

pytestmark = pytest.mark.slow  # every process imports torch


@pytest.fixture(scope="module")
def skills(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return make_run(tmp_path_factory.mktemp("skills")).folder


@pytest.fixture(scope="module")
def begun(skills, tmp_path_factory) -> Path:
    return begin_run(tmp_path_factory.mktemp("begun") / "run", skills, CHANGES)


@pytest.fixture
def out(begun, tmp_path) -> Path:
    """A copy of that run."""
    return shutil.copytree(begun, tmp_path / "run")


def transition(number: int, ends: bool = False) -> SkillTransition:
    generator = np.random.default_rng(number)
    before, after = generator.normal(size=(2, 30)).astype(np.float32)
    latent = generator.normal(size=2).astype(np.float32)
    return SkillTransition({"state": before}, 0, latent, float(ends), {"state": after}, int(ends), False, ends, 3)


def start(out: Path, skills: Path | str = "") -> LearnerLink:
    link = LearnerLink(learner_arguments(out, str(skills), "", "best", CHANGES, 300.0))
    wait_for(link, lambda: link.policy is not None, "a policy")
    return link


def wait_for(link: LearnerLink, condition, what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"waited for {what}"
        assert not link.status.failure, link.status.failure
        link.poll(0.1)


def feed(link: LearnerLink, numbers: range) -> None:
    """Transitions in episodes of five, waiting for the policy after each."""
    for number in numbers:
        ends = number % 5 == 4
        link.add(transition(number, ends))
        if ends:
            link.end_episode(int(ends), 1.0)
            wait_for(link, lambda: link.policy is not None, "the next policy")


def assert_same_learner(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same_learner(found[name], value)
        elif isinstance(value, torch.Tensor):
            assert torch.equal(found[name], value), name
        elif isinstance(value, list):
            assert str(found[name]) == str(value), name
        else:
            assert found[name] == value, name


def test_interrupted_learner_goes_on_as_if_nothing_had_happened(skills, out, tmp_path) -> None:
    whole = start(tmp_path / "whole", skills)
    feed(whole, range(40))
    assert whole.status.updates == 2 * (40 - 4)
    assert whole.close(PATIENCE_S)
    broken = start(out)
    feed(broken, range(20))
    assert broken.close(PATIENCE_S)
    again = start(out)
    assert (again.status.decisions, again.status.step, again.status.episodes) == (20, 60, 4)
    feed(again, range(20, 40))
    assert again.close(PATIENCE_S)
    assert_same_learner(checkpoint(out), checkpoint(tmp_path / "whole"))


def test_killed_learner_is_noticed_and_tensorboard_shows_its_killed_part_only_once(out) -> None:
    """Only `spirl rl train` wrote events: tensorboard --logdir showed nothing of what learned on an arm."""
    link = start(out)
    feed(link, range(60))
    link.ask_for_checkpoint()
    wait_for(link, lambda: 0.0 <= link.status.figures["checkpoint_age_s"] < 0.5, "the checkpoint")
    events = events_of(out)  # while it runs
    assert events["episode/ordered"] == [(15 * (episode + 1), 1.0) for episode in range(12)]
    assert events["episode/recent"][-1] == (180, 1.0)
    # 2 updates for each of the 56 transitions after the warm-up, and a line after 100 of them: at number 54.
    (update,) = [line for line in RlRun.open(out).metrics() if line["part"] == "update"]
    assert events["update/temperature"] == [(3 * 54, pytest.approx(update["temperature"]))]

    feed(link, range(60, 65))
    link._process.send_signal(signal.SIGKILL)
    end_s = time.monotonic() + PATIENCE_S
    while not link.status.failure:
        assert time.monotonic() < end_s
        link.poll(0.1)
    assert "has ended with -9" in link.status.failure
    assert checkpoint(out)["counts"][1] == 60  # the last one stays
    again = start(out)
    feed(again, range(60, 70))
    assert again.close(PATIENCE_S)
    steps = [step for step, _ in events_of(out)["episode/ordered"]]
    assert steps == [15 * (episode + 1) for episode in range(14)]


def test_what_a_killed_trainer_had_sent_is_saved(out) -> None:
    link = start(out)
    feed(link, range(10))
    for number in range(10, 13):
        link.add(transition(number))
    link._frames.close()  # what the kernel does when the trainer is killed
    assert link._process.wait(PATIENCE_S) == 0
    assert checkpoint(out)["counts"][1] == 13


def test_budget_ends_training(out) -> None:
    link = start(out)
    for number in range(100):
        link.add(transition(number))
    wait_for(link, lambda: link.status.finished, "the end of the budget")
    assert "budget of 300 control steps" in link.status.finished
    assert link.close(PATIENCE_S)


@pytest.mark.parametrize(
    ("with_skills", "changes", "told"),
    [
        (False, [], "skills is empty"),
        (True, ["method=ssp"], "expected spirl"),
        (True, ["stepps=3"], "stepps"),
        (True, ["robot=ur5e", "demos_in_replay=true"], "Set demos_in_replay=false"),
    ],
)
def test_run_that_cannot_be_begun_is_told(skills, tmp_path, with_skills: bool, changes: list[str], told: str) -> None:
    with pytest.raises(SpirlError, match=told):
        open_run(tmp_path / "new", skills if with_skills else None, None, "best", changes)
    assert not (tmp_path / "new").exists()


def failure_of(out: Path, skills: Path, data: str = "") -> str:
    """Why a learner that was given these has ended."""
    link = LearnerLink(learner_arguments(out, str(skills), data, "best", CHANGES, 300.0))
    end_s = time.monotonic() + PATIENCE_S
    while not link.status.failure:
        assert time.monotonic() < end_s
        link.poll(0.1)
    link.close(PATIENCE_S)
    return link.status.failure


def test_process_tells_why_it_cannot_begin_and_leaves_no_folder(skills, tmp_path) -> None:
    """What a refused run had written was what the next one, with corrected settings, went on with."""
    assert "no skill training" in failure_of(tmp_path / "new", tmp_path)
    assert not (tmp_path / "new").exists()
    assert "nowhere" in failure_of(tmp_path / "new", skills, str(tmp_path / "nowhere"))
    assert not (tmp_path / "new").exists()


def checkpoint(folder: Path) -> dict:
    state = RlRun.open(folder).load_checkpoint()
    assert state is not None
    return state


def test_learner_of_another_run_cannot_take_this_checkpoint(begun) -> None:
    learner = new_learner(RlRun.open(begun))
    state = learner.state()
    state["learner"]["updates"] = 7
    learner.restore(state)
    assert learner.sac.updates == 7
    with pytest.raises(KeyError):
        learner.restore({"learner": state["learner"]})
