"""Drives a user's own checkout of the official code (clvrai/spirl), so that it can be measured as it is.

It was written for torch 1.9 and Python 3.7, but its models and its agent run on the present ones. Packages that it uses
only to log, to draw and to talk between processes may be missing: they are replaced by ones that do nothing.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import nn

from spirl_ros.errors import ConfigError

_NOT_MEASURED = frozenset({"cv2", "funcsigs", "imp", "mpi4py", "pipes", "tensorboardX"})
"""Packages of logging, drawing and processes; nothing that is measured goes through them."""
_OBSERVATION_SIZE, _ACTION_SIZE, _LATENT_SIZE, _SKILL_HORIZON = 60, 9, 10, 10
"""Of its kitchen."""
_CAPACITY = 10_000


class OfficialSpirl:
    """The parts of the official code that are measured, at the sizes of its kitchen experiments (closed loop)."""

    def __init__(self, checkout: Path) -> None:
        """Import it.

        Args:
            checkout: folder of a clone of clvrai/spirl.

        Raises:
            ConfigError: the folder is no such clone, or its code does not run here.
        """
        if not (checkout / "spirl" / "models" / "closed_loop_spirl_mdl.py").is_file():
            raise ConfigError(
                f"{checkout} is not a checkout of the official code, expected the folder with its spirl/models. "
                "Clone clvrai/spirl and give that folder."
            )
        self._code = _quietly(lambda: _import(checkout.resolve()))

    def skill_model(self, batch_size: int) -> Any:
        """An untrained skill model."""
        code = self._code
        return _quietly(lambda: code.model(code.attributes(_model_sizes(), batch_size=batch_size)))

    def decoding(self) -> Callable[[], np.ndarray]:
        """One call decodes one action."""
        decoder = self.skill_model(1).eval().decoder
        inputs = torch.randn(1, _OBSERVATION_SIZE + _LATENT_SIZE)

        def decode() -> np.ndarray:
            with torch.no_grad():
                return decoder(inputs)[0].numpy()

        return decode

    def skill_training(self, batch_size: int, steps: int) -> Callable[[], int]:
        """One call is so many gradient steps of the first hundred, whose gradients it clips; returns the windows."""
        code, model = self._code, self.skill_model(batch_size).train()
        optimiser = code.radam(model.parameters(), lr=1e-3)
        states = torch.randn(batch_size, _SKILL_HORIZON + 1, _OBSERVATION_SIZE)
        actions = torch.rand(batch_size, _SKILL_HORIZON, _ACTION_SIZE) * 2.0 - 1.0

        def train() -> int:
            for _ in range(steps):
                inputs = code.attributes(states=states, actions=actions)
                optimiser.zero_grad()
                losses = model.loss(model(inputs), inputs)
                losses.total.value.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
                optimiser.step()
            return steps * batch_size

        return train

    def updates(self, batch_size: int, steps: int) -> Callable[[], int]:
        """One call is so many updates of its agent, drawing from its replay included."""
        code, agent = self._code, self._agent(batch_size)

        def update() -> int:
            for _ in range(steps):
                agent.update(code.attributes())
            return steps

        return update

    def _agent(self, batch_size: int) -> Any:
        code = self._code
        critic = {"action_dim": _LATENT_SIZE, "input_dim": _OBSERVATION_SIZE, "output_dim": 1}
        critic |= {"n_layers": 5, "nz_mid": 256, "action_input": True}
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder, "weights")
            weights.mkdir()
            torch.save({"state_dict": self.skill_model(1).state_dict(), "epoch": 0}, weights / "weights_ep0.pth")
            policy = code.attributes(
                action_dim=_LATENT_SIZE,
                input_dim=_OBSERVATION_SIZE,
                max_action_range=2.0,
                prior_model=code.model,
                prior_model_params=code.attributes(_model_sizes()),
                prior_model_checkpoint=folder,
            )
            config = code.attributes(
                batch_size=batch_size,
                device=torch.device("cpu"),
                replay=code.replay,
                replay_params=code.attributes(capacity=_CAPACITY),
                clip_q_target=False,
                policy=code.policy,
                policy_params=policy,
                critic=code.critic,
                critic_params=code.attributes(critic),
                td_schedule_params=code.attributes(p=5.0),
            )
            agent = _quietly(lambda: code.agent(config))
        agent.add_experience(code.attributes(_experience()))
        return agent


def _model_sizes() -> dict[str, Any]:
    return {
        "state_dim": _OBSERVATION_SIZE,
        "action_dim": _ACTION_SIZE,
        "n_rollout_steps": _SKILL_HORIZON,
        "nz_vae": _LATENT_SIZE,
        "nz_enc": 128,
        "nz_mid": 128,
        "n_processing_layers": 5,
        "kl_div_weight": 5e-4,
        "cond_decode": True,
        "device": torch.device("cpu"),
    }


def _experience(count: int = 1000) -> dict[str, list[Any]]:
    generator = np.random.default_rng(0)

    def random(*size: int) -> list[Any]:
        return list(generator.standard_normal((count, *size)).astype(np.float32))

    return {
        "observation": random(_OBSERVATION_SIZE),
        "observation_next": random(_OBSERVATION_SIZE),
        "action": random(_LATENT_SIZE),
        "reward": random(),
        "done": list(np.zeros(count, np.float32)),
    }


def _import(checkout: Path) -> SimpleNamespace:
    """Its classes. The checkout stays importable as `spirl`, the stand-ins for absent packages stay too."""
    absent = frozenset(name for name in _NOT_MEASURED if importlib.util.find_spec(name) is None)
    sys.path.insert(0, str(checkout))
    sys.meta_path.append(_StandIns(absent))
    try:
        from spirl.models.closed_loop_spirl_mdl import ClSPiRLMdl  # pyright: ignore[reportMissingImports]
        from spirl.rl.agents.prior_sac_agent import ActionPriorSACAgent  # pyright: ignore[reportMissingImports]
        from spirl.rl.components.critic import MLPCritic  # pyright: ignore[reportMissingImports]
        from spirl.rl.components.replay_buffer import UniformReplayBuffer  # pyright: ignore[reportMissingImports]
        from spirl.rl.policies.prior_policies import (  # pyright: ignore[reportMissingImports]
            LearnedPriorAugmentedPIPolicy,
        )
        from spirl.utils.general_utils import AttrDict  # pyright: ignore[reportMissingImports]
        from spirl.utils.pytorch_utils import RAdam  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            f"the official code in {checkout} does not run here: {error}. Install what is missing, or leave "
            "--official out."
        ) from error
    return SimpleNamespace(
        model=ClSPiRLMdl,
        agent=ActionPriorSACAgent,
        critic=MLPCritic,
        replay=UniformReplayBuffer,
        policy=LearnedPriorAugmentedPIPolicy,
        attributes=AttrDict,
        radam=RAdam,
    )


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `import` succeed for some names that are not installed."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in self._names:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return MagicMock(name=spec.name, __spec__=spec, __path__=[])

    def exec_module(self, module):
        pass


def _quietly(make: Callable[[], Any]) -> Any:
    """What it prints while it loads, and warns of, would stand in the middle of our table."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()
