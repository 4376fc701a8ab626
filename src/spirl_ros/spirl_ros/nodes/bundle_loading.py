"""Loads bundles for the skill executor, the next one beside the one that runs."""

import math
import threading
from dataclasses import replace
from pathlib import Path

from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.control.skill_model import SkillModel
from spirl_ros.control.velocity_action import slowed
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.deployment.robot_check import check_fits_robot
from spirl_ros.errors import BundleError, ConfigError, SpirlError
from spirl_ros.nodes.skill_executor_parameters import LOCKSTEP, SkillExecutorConfig, names_in

_POLL_S = 0.002
"""How long the node's thread sleeps at a time while a bundle is loaded beside it [s]."""


def load_first(config: SkillExecutorConfig) -> Bundle:
    """Load and check the bundle that the parameters name.

    Raises:
        ConfigError: there is none, or the speed cannot be.
        BundleError: it cannot be used, or not with this arm.
    """
    if not config.bundle:
        raise ConfigError("bundle is empty, expected the folder of a bundle: -p bundle:=<folder>.")
    if config.rate == LOCKSTEP and config.speed != 1.0:
        raise ConfigError(
            f"speed is {config.speed}, but in lockstep a control step of the simulator is what it is. Use rate realtime."
        )
    return _checked(load_bundle(config.bundle, config.provider), config)


async def load_beside(folder: str, config: SkillExecutorConfig) -> Bundle:
    """The same for another folder, in a thread of its own, while states and skills go on; errors as `load_first`."""
    loaded: list[Bundle | SpirlError] = []

    def load() -> None:
        try:
            loaded.append(_checked(load_bundle(Path(folder), config.provider), config))
        except SpirlError as error:
            loaded.append(error)
        except Exception as error:
            loaded.append(BundleError(f"{folder} cannot be loaded: {type(error).__name__}: {error}"))

    thread = threading.Thread(target=load, name="load_bundle", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)
        await _Turn()
    if isinstance(loaded[0], SpirlError):
        raise loaded[0]
    return loaded[0]


def to_skill_model(bundle: Bundle, speed: float) -> SkillModel:
    """What the control loop needs of a bundle, slowed down: the same way in more commands, and slower limits.

    Commands come at least as often as at full speed: the arm has to react as soon.
    """
    description = bundle.description
    limits, commands = description.joint_limits(), math.ceil(1.0 / speed - 1e-9)
    return SkillModel(
        name=description.name,
        decoder=bundle.decoder,
        prior=bundle.prior,
        skill_horizon=description.skill_horizon,
        latent_size=description.latent_size,
        observation_names=description.observation.names,
        limits=replace(limits, velocity=limits.velocity * speed),
        velocity_scale=slowed(description.action.scale, speed),
        control_period_s=1.0 / (description.control_rate_hz * speed * commands),
        action_reference=description.action.reference,
        commands_per_step=commands,
        digest=bundle.digest,
    )


def _checked(bundle: Bundle, config: SkillExecutorConfig) -> Bundle:
    description = bundle.description
    if config.robot:
        file = Path(config.robot_file) if config.robot_file else None
        check_fits_robot(description, read_robot(config.robot, file), scene_names=None)
    description.check_fits(
        joint_names=names_in(config.joint_names) or description.joint_names,
        # What is measured shows when the first states arrive; a missing name is said then.
        observation_names=description.observation.names,
        control_rate_hz=description.control_rate_hz,
        action=description.action,
    )
    return bundle


class _Turn:
    """Awaited by a coroutine that lets the node's other callbacks run."""

    def __await__(self):
        yield
