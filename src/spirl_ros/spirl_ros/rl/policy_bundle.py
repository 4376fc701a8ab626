"""From the folder of a reinforcement learning run to a bundle with its policy."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spirl_ros.control.observation_fields import STATE, Observation
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.deployment.bundle_description import (
    DECODER_INPUTS,
    OPEN_LOOP,
    ActionMeaning,
    DecoderDescription,
    LatentModelDescription,
    Origin,
)
from spirl_ros.deployment.robot_facts import bundle_joints, robot_facts
from spirl_ros.errors import ConfigError, TrainingError
from spirl_ros.rl.config import METHODS
from spirl_ros.rl.learner import Foundation, bare_foundation, make_sac, skill_foundation
from spirl_ros.rl.networks import HighLevelPolicy
from spirl_ros.rl.policy_module import PolicyModule, policy_inputs
from spirl_ros.rl.run import RlRun
from spirl_ros.skills.bundle_export import BundleContents, export_bundle
from spirl_ros.skills.run import SkillRun
from spirl_ros.skills.skill_bundle import dataset_observations, skill_bundle_contents
from spirl_ros.tasks.families import full_task
from spirl_ros.tasks.task import RobotFacts
from spirl_ros.training_folder import BEST_FILE, CONFIG_FILE

_TRIED_EPISODES = 16
"""Beginnings of episodes on which torch and ONNX Runtime are compared where there is no dataset."""


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
    foundation = skill_foundation(model, config, (), run.config.learner.waves)
    policy = best_policy(run, foundation)
    known = [field.name for field in contents.observation]
    more = [name for name in foundation.sight.names if name not in known]
    return replace(
        contents,
        observation=(*contents.observation, *robot.observation.chosen(more)),
        task=config.task if config.family is None else full_task(config.task, config.robot),
        target_subtasks=config.targets,
        policy=PolicyModule(foundation.sight, policy),
        policy_description=_description(foundation, policy),
        origin=Origin(
            dataset_digest=contents.origin.dataset_digest, commit=run.config.commit, command=run.config.command
        ),
    )


def exported_policy(run_folder: Path, folder: Path) -> Bundle:
    """A run's best policy as a bundle in a new folder: what is evaluated is what runs on the robot. Errors as above."""
    run = RlRun.open(run_folder)
    if not METHODS[run.config.training.method].needs_skills:
        contents, observations = single_action_contents(run, "evaluated")
        return export_bundle(folder, contents, observations)
    skills = run.skills()
    contents = policy_bundle_contents(run, skills, "evaluated", robot_facts(run.config.training.robot), {})
    observations = dataset_observations(skills, Path(run.skills_reference.data), contents.observation)
    return export_bundle(folder, contents, observations)


def single_action_contents(run: RlRun, name: str) -> tuple[BundleContents, Observation]:
    """A bundle with the best policy of a run that needs no skills, and observations to try it on.

    A single action is a skill of one control step whose latent is the action; its prior is N(0, I), which nobody has
    learned.

    Args:
        run: in a task family's simulator.
        name: name of the bundle.

    Raises:
        TrainingError: there is no best policy yet.
    """
    config, family = run.config.training, run.config.training.family
    environment = None if family is None else family.environment()
    assert family is not None and environment is not None, "a run that nobody simulates was not refused"
    robot = family.robot
    foundation, names = bare_foundation(robot), robot.limits.joint_names
    if run.config.skills is not None:
        foundation = skill_foundation(run.skills().load_best_model(), config, ())
    policy = best_policy(run, foundation)
    contents = BundleContents(
        name=name,
        task=full_task(config.task, config.robot),
        target_subtasks=config.targets,
        skill_horizon=1,
        latent_size=foundation.latent_size,
        control_rate_hz=1.0 / robot.control_period_s,
        observation=(robot.observation.state,),
        action=ActionMeaning("joint_velocity", robot.velocity_scale, robot.action_reference),
        joints=bundle_joints(robot, names),
        decoder_description=DecoderDescription(OPEN_LOOP, DECODER_INPUTS[OPEN_LOOP][0]),
        decoder=nn.Unflatten(1, (1, foundation.latent_size)),
        prior=_StandardNormal(foundation.sight.prior_size, foundation.latent_size),
        origin=Origin(dataset_digest="", commit=run.config.commit, command=run.config.command),
        evaluation={},
        policy=PolicyModule(foundation.sight, policy),
        policy_description=_description(foundation, policy),
    )
    return contents, {STATE: np.stack([environment.reset(seed) for seed in range(_TRIED_EPISODES)])}


def best_policy(run: RlRun, foundation: Foundation) -> HighLevelPolicy:
    """The run's best policy, in evaluation mode; errors as above."""
    training = run.config.training
    policy = make_sac(run.config.learner, training, foundation, len(training.targets)).policy
    try:
        policy.load_state_dict(run.load_best("evaluation"))
    except RuntimeError as error:
        raise TrainingError(f"{run.folder / BEST_FILE} does not fit {CONFIG_FILE} beside it: {error}.") from error
    return policy.eval().requires_grad_(False)


def _description(foundation: Foundation, policy: HighLevelPolicy) -> LatentModelDescription:
    return LatentModelDescription(policy_inputs(foundation.sight, policy), policy.latent_limit)


class _StandardNormal(nn.Module):
    """Observations (B, Do) to mean, log standard deviation and latent (B, Dz) that are all 0."""

    def __init__(self, observation_size: int, latent_size: int) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(observation_size, latent_size))

    def forward(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean = observation @ self.nothing
        return mean, mean.clone(), mean.clone()
