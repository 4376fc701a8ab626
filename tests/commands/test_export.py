import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("gymnasium_robotics")

from spirl_ros.arms.robot_configuration import RobotConfiguration, find_robot
from spirl_ros.commands.main import main
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.storage import write_dataset
from spirl_ros.deployment.bundle_file import read_description
from spirl_ros.errors import BundleError
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.run import SkillRun, SkillRunConfig
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.skills.train import dataset_reference
from tests.demonstrations.small_dataset import METADATA, make_episode

MODEL = SkillModelConfig(
    skill_horizon=3,
    latent_size=2,
    encoder_hidden=8,
    encoder_layers=1,
    decoder_hidden=8,
    decoder_layers=1,
    prior_layers=1,
)


def make_run(
    folder: Path, *, observation_names: tuple[str, ...] | None = None, robot: RobotConfiguration | None = None
) -> SkillRun:
    """A training's folder with an untrained model, beside a dataset of noise with the names of the kitchen or of an arm
    alone."""
    scene = load_kitchen_scene()
    metadata = replace(
        METADATA,
        observation_names=observation_names or scene.joint_names + scene.scene_names,
        joint_names=scene.joint_names,
        joint_units=("rad",) * 7 + ("m",) * 2,
    )
    if robot is not None:
        names = robot.limits.joint_names
        metadata = replace(
            metadata,
            observation_names=names,
            joint_names=names,
            joint_units=robot.units,
            control_rate_hz=robot.control_rate_hz,
            action_scale=robot.velocity_scale,
        )
    dataset = Dataset((make_episode(5, metadata=metadata),), "kitchen", {})
    digest = write_dataset(folder / "data", dataset)
    reference = dataset_reference(folder / "data", dataset, digest)
    config = SkillRunConfig(MODEL, SkillTrainingConfig(), reference, "abc", "spirl skills train --data data")
    run = SkillRun.create(folder / "run", config)
    run.save_best(SkillModel(MODEL, len(metadata.observation_names), len(metadata.joint_names)).state_dict())
    for step, reconstruction, prior in ((1, 0.7, 1.0), (2, 0.5, 2.0), (3, 0.6, 1.5)):
        losses = {"beta": 0.0, "reconstruction": reconstruction, "kl": 1.0, "prior": prior}
        run.append_metrics({"step": step, "part": "validation", **losses})  # type: ignore[dict-item]
    return run


def test_trained_skills_become_a_bundle_that_checks(tmp_path, capsys):
    run = make_run(tmp_path)
    figures = tmp_path / "eval.json"
    figures.write_text('{"completed_subtasks_mean": 2.5}\n')
    out = tmp_path / "models" / "kitchen"
    arguments = ["export", str(run.folder), "--out", str(out), "--evaluation", str(figures), "--json"]
    assert main(arguments) == 0
    exported = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert main(["check", str(out), "--provider", "cpu", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert exported["digest"] == checked["digest"]
    description = checked["description"]
    assert description["target_subtasks"] == ["microwave", "kettle", "bottom_burner", "light_switch"]
    (state,) = description["observation"]
    units = dict(zip(state["names"], state["units"], strict=True))
    wanted = ("panda0_joint1", "panda0_finger_joint1", "microwave", "kettle_x", "kettle_qw")
    assert [units[name] for name in wanted] == ["rad", "m", "rad", "m", "1"]
    # The held-out losses are those of the lowest reconstruction and KL, step 2.
    assert description["evaluation"] == {
        "held_out": {"step": 2, "reconstruction": 0.5, "kl": 1.0, "prior": 2.0},
        "completed_subtasks_mean": 2.5,
    }
    assert description["origin"]["dataset_digest"] == run.config.dataset.digest
    assert main(arguments) == 2
    assert "use --force" in capsys.readouterr().err


def test_slides_and_scales_of_their_own_reach_the_bundle(tmp_path, capsys):
    """Slides were rad, and there was one scale for all."""
    file = tmp_path / "small.yaml"
    rates = "velocity: 0.5, acceleration: 2, jerk: 20"
    file.write_text(
        "{name: small, description: d, control_rate_hz: 20, velocity_scale: 0.5, trajectory_controller: c, joints: ["
        f"{{name: turn, home: 0, position_lower: -1, position_upper: 1, {rates}}},"
        f"{{name: rail, unit: m, velocity_scale: 0.1, home: 0, position_lower: -1, position_upper: 1, {rates}}}]}}"
    )
    run = make_run(tmp_path, robot=find_robot(str(file)))
    assert SkillRun.open(run.folder).config.dataset.action_scale == (0.5, 0.1)
    assert main(["export", str(run.folder), "--out", str(tmp_path / "out"), "--robot", str(file)]) == 0
    assert main(["check", str(tmp_path / "out"), "--provider", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "1 is 0.5/0.1 rad/s or m/s" in shown and "| rail | -1 to 1 m | 0.5 m/s |" in shown
    description = read_description(tmp_path / "out")
    description.check_fits_robot(find_robot(str(file)))
    file.write_text(file.read_text().replace("velocity_scale: 0.1, ", ""))
    with pytest.raises(
        BundleError, match="times 0.5/0.1 from the commanded position, but here a joint_velocity times 0.5"
    ):
        description.check_fits_robot(find_robot(str(file)))


def test_bad_input_is_one_line_with_the_next_step(tmp_path, capsys):
    run = make_run(tmp_path)
    out = ["--out", str(tmp_path / "out")]
    assert main(["export", str(run.folder), *out, "--robot", "fr4"]) == 2
    assert "robot is 'fr4', expected one of kitchen" in capsys.readouterr().err
    assert main(["export", str(run.folder), *out, "--robot", "fr3"]) == 2
    assert "which is unknown for the robot fr3" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    make_run(other, observation_names=("elbow",))
    assert main(["export", str(other / "run"), *out]) == 2
    assert "the dataset observes elbow, which is unknown for the robot kitchen" in capsys.readouterr().err
    assert main(["export", str(run.folder), *out, "--data", str(other / "data")]) == 2
    assert "is another dataset than the one" in capsys.readouterr().err
    assert main(["export", str(run.folder), *out, "--evaluation", str(tmp_path / "none.json")]) == 2
    assert "none.json cannot be used" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
