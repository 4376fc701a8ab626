"""Episodes of random numbers, as large as the kitchen's: their speed does not depend on what they show."""

import numpy as np

from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata

OBSERVATION_SIZE, ACTION_SIZE = 30, 9


def random_episode(seed: int, steps: int = 200) -> Episode:
    """One of so many control steps."""
    generator = np.random.default_rng(seed)
    actions = generator.uniform(-1.0, 1.0, (steps, ACTION_SIZE))
    metadata = EpisodeMetadata(
        task=(),
        operator="random",
        control_rate_hz=12.5,
        observation_names=tuple(f"value_{index}" for index in range(OBSERVATION_SIZE)),
        joint_names=tuple(f"joint_{index}" for index in range(ACTION_SIZE)),
        joint_units=("rad",) * ACTION_SIZE,
        action_scale=2.0,
    )
    observations = generator.standard_normal((steps + 1, OBSERVATION_SIZE))
    return Episode(observations, actions, actions, np.zeros(steps), terminated=False, truncated=True, metadata=metadata)
