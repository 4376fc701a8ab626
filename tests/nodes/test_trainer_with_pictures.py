"""Training over ROS in the maze, whose prior and policy see a picture: real processes over DDS."""

import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="learning needs torch")
pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from spirl_ros.maze.family import MAZE  # noqa: E402
from spirl_ros.rl.decision_environment import TaskDecisions  # noqa: E402
from spirl_ros.rl.run import RlRun  # noqa: E402
from spirl_ros.tasks.task import EpisodeConfig  # noqa: E402
from tests.maze.trained_skills import train_maze_skills  # noqa: E402
from tests.nodes.maze_bundle import write_maze_bundle  # noqa: E402
from tests.nodes.test_trainer import SETTINGS, Training  # noqa: E402
from tests.rl.begun_run import begin_run  # noqa: E402

pytestmark = pytest.mark.slow
TASK, SKILLS = "maze:goal", 12


def test_pictures_are_stored_as_a_rollout_in_process_sees_them(client, start_node, tmp_path: Path) -> None:
    skills = train_maze_skills(tmp_path / "skills").run.folder
    settings = (*SETTINGS.split(), "robot=maze", f"task={TASK}", "steps=100000", "max_latent=6")
    begin_run(tmp_path / "run", skills, settings)
    start_node("mujoco_sim", rate="lockstep", task=TASK)
    start_node("skill_executor", rate="lockstep", bundle=write_maze_bundle(tmp_path / "first"))
    training = Training(client, start_node, tmp_path / "run")
    training.wait_for(lambda status: status.skill_transitions >= SKILLS, "skills")
    code, output = training.trainer.end(signal.SIGTERM)
    assert code == 0, output
    columns = {name: values.numpy() for name, values in training.checkpoint()["replay"]["columns"].items()}

    environment = TaskDecisions(MAZE, EpisodeConfig("goal"), RlRun.open(training.out).skill_bundle().executor())
    environment.reset(seed=0)
    for row, latent in enumerate(columns["latent"][:SKILLS]):
        for part in ("observation", "next_observation"):
            seen = environment.observe()
            stored = columns["pictures.view"][columns[f"{part}.view"][row]]
            np.testing.assert_array_equal(stored, seen["view"])
            np.testing.assert_array_equal(columns[f"{part}.state"][row], seen["state"].astype(np.float32))
            if part == "observation":
                result = environment.execute(latent)
                assert not result.terminated and result.steps == 20
    # Each once: that before the first skill, and one after each.
    pictures = columns["pictures.view"]
    assert len(pictures) == len(columns["latent"]) + 1 and len(np.unique(pictures, axis=0)) > SKILLS // 2
