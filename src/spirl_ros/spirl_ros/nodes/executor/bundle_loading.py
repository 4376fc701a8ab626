"""Loads bundles for nodes: within a time, and for the skill executor the next one beside the one that runs."""

import math
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.control.skill_model import RunnableSkills
from spirl_ros.control.velocity_action import slowed
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.errors import BundleError, ConfigError, SpirlError
from spirl_ros.files.plain_yaml import printable
from spirl_ros.nodes.executor.skill_executor_parameters import LOCKSTEP, SkillExecutorConfig
from spirl_ros.nodes.graph.parameters import names_in

_POLL_S = 0.005
"""How long the node's thread sleeps at a time while a bundle is loaded beside it [s]."""

_GIL_SWITCH_S = 0.0005
"""How long the thread that loads may keep another from running [s]."""


class BundleLoading:
    """A bundle on its way, in a thread of its own: the disk, or whatever else it comes from, may take any time.

    When that is too long, the thread is left behind and what it brings after all is dropped.
    """

    def __init__(
        self, folder: str, load: Callable[[], Bundle], patience_s: float, parameter: str = "load_patience_s"
    ) -> None:
        """Begin.

        Args:
            folder: for messages.
            load: called from the thread; raises SpirlError.
            patience_s: how long it may take [s].
            parameter: of the node, that says so.
        """
        self._folder, self._load, self._patience_s, self._parameter = folder, load, patience_s, parameter
        self._begin_s = time.monotonic()
        # Of Python's own 5 ms, an answer of the node's thread, which lets go of the interpreter many times, waits for
        # many.
        sys.setswitchinterval(min(sys.getswitchinterval(), _GIL_SWITCH_S))
        self._loaded: list[Bundle | SpirlError] = []
        self._thread = threading.Thread(target=self._run, name="load_bundle", daemon=True)
        self._thread.start()

    def take(self, wait_s: float = 0.0) -> Bundle | None:
        """The bundle, after waiting for it for so long [s]; None while it is on its way.

        Raises:
            BundleError: it cannot be used, or has taken too long.
            ConfigError: it does not fit what is configured.
        """
        self._thread.join(wait_s)
        if not self._thread.is_alive():
            if isinstance(self._loaded[0], SpirlError):
                raise self._loaded[0]
            return self._loaded[0]
        if time.monotonic() - self._begin_s > self._patience_s:
            raise BundleError(
                f"{printable(self._folder)} is not loaded after {self._patience_s:g} s. Check that its disk responds, "
                f"or give {self._parameter} a larger value."
            )
        return None

    def wait(self) -> Bundle:
        """The bundle, as soon as it is there; errors as `take`."""
        while (bundle := self.take(wait_s=0.1)) is None:
            pass
        return bundle

    def _run(self) -> None:
        try:
            self._loaded.append(self._load())
        except SpirlError as error:
            self._loaded.append(error)
        except Exception as error:
            told = printable(f"{self._folder} cannot be loaded: {type(error).__name__}: {error}")
            self._loaded.append(BundleError(told))


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
            f"speed is {config.speed}, but in lockstep the simulator's control step is fixed. Use rate realtime."
        )
    return _begin(config.bundle, config).wait()


class LoadingBeside:
    """Loads another bundle while everything else of the node goes on. In the node's thread.

    The callback that awaits `load` needs a callback group that lets others run: it ends when the bundle is there.
    """

    def __init__(self, config: SkillExecutorConfig) -> None:
        """Begin with none."""
        self._config = config
        self._folder, self._waiting = "", 0
        self._loading: BundleLoading | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether anybody waits for a bundle."""
        return self._waiting > 0

    async def load(self, folder: str) -> Bundle:
        """The bundle of a folder; whoever asks for the same one meanwhile gets the same. Errors as `load_first`."""
        if self._loading is None:
            self._folder, self._loading = folder, _begin(folder, self._config)
        elif folder != self._folder:
            raise BundleError(f"{printable(self._folder)} is being loaded. Ask again when that is answered.")
        loading = self._loading
        self._waiting += 1
        try:
            while (bundle := loading.take(wait_s=_POLL_S)) is None:
                await _Turn()
            return bundle
        finally:
            self._waiting -= 1
            self._loading = None


def to_skill_model(bundle: Bundle, speed: float) -> RunnableSkills:
    """What the control loop needs of a bundle, slowed down: the same way in more commands, and slower limits.

    Commands come at least as often as at full speed: the arm has to react as soon.
    """
    description = bundle.description
    limits, commands = description.joint_limits(), math.ceil(1.0 / speed - 1e-9)
    return RunnableSkills(
        name=description.name,
        decoder=bundle.decoder,
        prior=bundle.prior,
        skill_horizon=description.skill_horizon,
        latent_size=description.latent_size,
        observation_names=description.state.names,
        limits=replace(limits, velocity=limits.velocity * speed),
        velocity_scale=slowed(description.action.scale, speed),
        control_period_s=1.0 / (description.control_rate_hz * speed * commands),
        action_reference=description.action.reference,
        commands_per_step=commands,
        digest=bundle.digest,
    )


def _begin(folder: str, config: SkillExecutorConfig) -> BundleLoading:
    return BundleLoading(folder, lambda: _checked(load_bundle(folder, config.provider), config), config.load_patience_s)


def _checked(bundle: Bundle, config: SkillExecutorConfig) -> Bundle:
    description = bundle.description
    if config.robot:
        file = Path(config.robot_file) if config.robot_file else None
        description.check_fits_robot(read_robot(config.robot, file), scene_names=None)
    description.check_fits(
        joint_names=names_in(config.joint_names) or description.joint_names,
        # What is measured shows when the first states arrive; a missing name is said then.
        observation_names=description.state.names,
        control_rate_hz=description.control_rate_hz,
        action=description.action,
    )
    return bundle


class _Turn:
    """Awaited by a coroutine that lets the node's other callbacks run."""

    def __await__(self):
        yield
