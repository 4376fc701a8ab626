"""Learning in the maze, of the smallest size, once for all tests."""

import importlib.util
from typing import TYPE_CHECKING, NamedTuple

import pytest

if importlib.util.find_spec("torch") is None or importlib.util.find_spec("onnxscript") is None:
    collect_ignore = ["test_skills.py", "test_policy.py"]

if TYPE_CHECKING:
    from spirl_ros.deployment.bundle import Bundle
    from spirl_ros.skills.run import SkillRun


class TrainedSkills(NamedTuple):
    """A skill training, and what it gives."""

    run: "SkillRun"
    bundle: "Bundle"


@pytest.fixture(scope="session")
def maze_skills(tmp_path_factory) -> TrainedSkills:
    """Hardly trained ones, from a dataset that has pictures and no field for the velocity, which the state has too."""
    from spirl_ros.demonstrations.storage import write_dataset
    from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
    from spirl_ros.skills.evaluation import exported_skills
    from spirl_ros.skills.run import SkillRun, SkillRunConfig
    from spirl_ros.skills.train import dataset_reference, train
    from tests.maze.seen_episodes import seen_dataset, without

    model = SkillModelConfig(
        decoder="open_loop", skill_horizon=20, encoder_hidden=16, decoder_hidden=16, prior_hidden=16, prior_layers=2
    )
    training = SkillTrainingConfig(steps=20, batch_size=16, validation_every=20, validation_share=0.25, picture_shift=1)
    folder, dataset = tmp_path_factory.mktemp("maze"), without(seen_dataset(), "velocity")
    reference = dataset_reference(folder / "data", dataset, write_dataset(folder / "data", dataset))
    run = SkillRun.create(folder / "skills", SkillRunConfig(model, training, reference))
    train(run, dataset)
    return TrainedSkills(run, exported_skills(run, dataset, folder / "bundle"))
