"""Skills for the maze that hardly learned, from a dataset that has pictures and no field for the velocity, which the
state has too."""

from pathlib import Path
from typing import NamedTuple

from spirl_ros.demonstrations.storage import write_dataset
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.evaluation import exported_skills
from spirl_ros.skills.run import SkillRun, SkillRunConfig
from spirl_ros.skills.train import dataset_reference, train
from tests.maze.seen_episodes import seen_dataset, without


class TrainedSkills(NamedTuple):
    """A skill training, and what it gives."""

    run: SkillRun
    bundle: Bundle


def train_maze_skills(folder: Path) -> TrainedSkills:
    """Train in a folder, some seconds."""
    model = SkillModelConfig(
        decoder="open_loop", skill_horizon=20, encoder_hidden=16, decoder_hidden=16, prior_hidden=16, prior_layers=2
    )
    training = SkillTrainingConfig(steps=20, batch_size=16, validation_every=20, validation_share=0.25, picture_shift=1)
    dataset = without(seen_dataset(), "velocity")
    reference = dataset_reference(folder / "data", dataset, write_dataset(folder / "data", dataset))
    run = SkillRun.create(folder / "skills", SkillRunConfig(model, training, reference))
    train(run, dataset)
    return TrainedSkills(run, exported_skills(run, dataset, folder / "bundle"))
