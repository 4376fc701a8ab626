"""From the folder of a reinforcement learning run to a bundle with its policy."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from spirl_ros.deployment.bundle import Bundle
from spirl_ros.deployment.bundle_description import POLICY_INPUTS, LatentModelDescription, Origin
from spirl_ros.deployment.onnx_export import BundleContents, export_bundle
from spirl_ros.deployment.robot_facts import RobotFacts, robot_facts
from spirl_ros.deployment.skill_bundle import dataset_observations, skill_bundle_contents
from spirl_ros.errors import ConfigError, TrainingError
from spirl_ros.rl.config import METHODS
from spirl_ros.rl.high_level_policy import HighLevelPolicy, PolicyModule
from spirl_ros.rl.learner_setup import make_learner, skill_foundation
from spirl_ros.rl.run import RlRun
from spirl_ros.skills.run import SkillRun
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.training_folder import BEST_FILE, CONFIG_FILE


def policy_bundle_contents(
    run: RlRun, skills: SkillRun, name: str, robot: RobotFacts, evaluation: Mapping[str, object]
) -> BundleContents:
    """A bundle with the run's skills and its best policy.

    Args:
        run: the run, of a method with skills.
        skills: what it learned with.
        name: name of the bundle.
        robot: the robot of the skills.
        evaluation: figures to write down.

    Raises:
        ConfigError: the method has no skills.
        TrainingError: there is no best policy yet.
    """
    config = run.config.training
    if not METHODS[config.method].uses_skills:
        raise ConfigError(f"{run.folder} was trained with {config.method}, which has no skills. A bundle needs skills.")
    contents = skill_bundle_contents(skills, name, robot, evaluation)
    model = skills.load_best_model()
    policy = best_policy(run, model)
    description = LatentModelDescription(
        POLICY_INPUTS[1] if policy.progress_values else POLICY_INPUTS[0], policy.latent_limit
    )
    return replace(
        contents,
        task=config.task,
        target_subtasks=config.targets,
        policy=PolicyModule(model.standardise, policy),
        policy_description=description,
        origin=Origin(
            dataset_digest=contents.origin.dataset_digest, commit=run.config.commit, command=run.config.command
        ),
    )


def exported_policy(run_folder: Path, folder: Path) -> Bundle:
    """A run's best policy as a bundle in a new folder: what is evaluated is what runs on the robot. Errors as above."""
    run = RlRun.open(run_folder)
    skills = run.skills()
    contents = policy_bundle_contents(run, skills, "evaluated", robot_facts("kitchen"), {})
    return export_bundle(folder, contents, dataset_observations(skills, Path(run.config.skills.data)))


def best_policy(run: RlRun, model: SkillModel) -> HighLevelPolicy:
    """The run's best policy, in evaluation mode; errors as above."""
    training = run.config.training
    foundation = skill_foundation(model, training, ())
    policy = make_learner(run.config.learner, training, foundation, len(training.targets)).policy
    try:
        policy.load_state_dict(run.load_best("evaluation"))
    except RuntimeError as error:
        raise TrainingError(f"{run.folder / BEST_FILE} does not fit {CONFIG_FILE} beside it: {error}.") from error
    return policy.eval().requires_grad_(False)
