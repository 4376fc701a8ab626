"""Demonstrations as transitions: latents from the encoder, rewards as the target task would have given them.

Not in the paper. A demonstration never does the whole task, but its parts are worth a reward whenever their turn has
come, so every window counts once for each progress that fits it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from spirl_ros.control.observation_fields import Field
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.errors import DatasetError
from spirl_ros.rl.replay import Replay, SkillTransition
from spirl_ros.skills.skill_bundle import chosen_observations
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.tasks.task import TaskFamily


class RelabelledWindow(NamedTuple):
    """A window as the target task sees it from some progress."""

    progress: int
    reward: float
    next_progress: int
    terminated: bool


def target_done(family: TaskFamily, episode: Episode, targets: Sequence[str]) -> np.ndarray:
    """Which targets are done at each observation, (T+1, K), from the measured positions of the scene.

    Raises:
        DatasetError: the episode lacks something that the family's robot observes.
    """
    names = episode.metadata.observation_names
    if lacking := [name for name in family.robot.observation_names if name not in names]:
        raise DatasetError(
            f"the demonstrations do not observe {lacking[0]}, so what they do in the {family.name} cannot be told. "
            "Train without demos_in_replay."
        )
    columns = [names.index(name) for name in family.robot.observation_names]
    done = family.done(episode.observations[:, columns])
    return np.array([[target in now for target in targets] for now in done])


def relabel(done: np.ndarray) -> list[RelabelledWindow]:
    """Rewards of one window for every progress that it can start from.

    Args:
        done: which of the K targets, in order, are done at its H+1 observations (H+1, K).

    Returns:
        One entry for each progress from 0 to K-1 whose next target is not done already: that one would have counted
        before.
    """
    targets = done.shape[1]
    found = []
    for progress in range(targets):
        if done[0, progress]:
            continue
        reached = progress
        for row in done[1:]:
            while reached < targets and row[reached]:
                reached += 1
        found.append(RelabelledWindow(progress, float(reached - progress), reached, reached == targets))
    return found


def demonstration_replay(
    family: TaskFamily,
    episodes: Sequence[Episode],
    targets: Sequence[str],
    model: SkillModel | None,
    latent_limit: float | None,
    stride: int,
    seed: int,
    fields: Sequence[Field] = (),
) -> Replay:
    """A full buffer of relabelled demonstrations.

    Args:
        family: tells what is done when.
        episodes: demonstrations.
        targets: target subtasks, in order.
        model: encodes each window to a sample of its posterior; None for single actions.
        latent_limit: latents are bounded by it as the policy's are.
        stride: control steps between the starts of two windows.
        seed: of the windows' starts and the posterior's noise.
        fields: what to keep of observations beside the state.

    Raises:
        DatasetError: no window of the demonstrations is long enough, or they lack a field.
    """
    horizon = 1 if model is None else model.config.skill_horizon
    generator, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    rows: list[SkillTransition] = []
    for episode in episodes:
        if episode.steps < horizon:
            continue
        done = target_done(family, episode, targets)
        # The last window ends with the episode: its last subtask is often done in the very last steps.
        last = episode.steps - horizon
        starts = np.append(np.arange(int(generator.integers(stride)), last, stride), last)
        latents = _bounded(_latents(episode, starts, model, noise), latent_limit)
        seen = [chosen_observations((episode,), starts + later, fields) for later in (0, horizon)]
        for index, (start, latent) in enumerate(zip(starts, latents, strict=True)):
            before, after = ({name: values[index] for name, values in part.items()} for part in seen)
            for window in relabel(done[start : start + horizon + 1]):
                rows.append(
                    SkillTransition(
                        before,
                        window.progress,
                        latent,
                        window.reward,
                        after,
                        window.next_progress,
                        window.terminated,
                        False,
                        horizon,
                    )
                )
    return _filled(rows, horizon)


def _filled(rows: Sequence[SkillTransition], horizon: int) -> Replay:
    if not rows:
        raise DatasetError(f"no demonstration has a window of {horizon} control steps. Train without demos_in_replay.")
    replay = Replay(len(rows), rows[0].observation, len(rows[0].latent))
    for row in rows:
        replay.add(row)
    return replay


def _latents(episode: Episode, starts: Iterable[int], model: SkillModel | None, noise: torch.Generator) -> np.ndarray:
    starts = np.asarray(starts)
    if model is None:
        return episode.actions[starts].astype(np.float32)
    within = starts[:, None] + np.arange(model.config.skill_horizon)  # (N, H)
    observations = torch.from_numpy(episode.observations[within].astype(np.float32))
    actions = torch.from_numpy(episode.actions[within].astype(np.float32))
    with torch.no_grad():
        return model.encode(observations, actions).sample(noise).numpy()


def _bounded(latents: np.ndarray, limit: float | None) -> np.ndarray:
    """Clipped, not squashed: the decoder knows these latents as they are; the policy cannot quite reach its limit."""
    return latents if limit is None else np.clip(latents, -0.999 * limit, 0.999 * limit)
