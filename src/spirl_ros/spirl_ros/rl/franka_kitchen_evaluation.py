"""A bundle's graphs in gymnasium-robotics' own FrankaKitchen-v1: nothing of ours in between but the order of values."""

import time
from typing import Any

import numpy as np

from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import ConfigError
from spirl_ros.rl.evaluation import FIRST_SEED, EvaluationSettings, evaluation_figures
from spirl_ros.tasks.kitchen.franka_kitchen import FRANKA_KITCHEN, make_franka_kitchen
from spirl_ros.tasks.kitchen.scene import load_kitchen_scene

_JOINTS, _SCENE = slice(0, 9), slice(18, 39)
"""Where positions are in its observation (59,); the rest are velocities."""
_MAX_STEPS = 280


def evaluate_in_franka_kitchen(bundle: Bundle, settings: EvaluationSettings) -> dict[str, Any]:
    """Run episodes of a policy without our environment, executor and safety filter; figures as of `evaluate_bundle`.

    Raises:
        ConfigError: the bundle has no policy, or observes something else.
    """
    about, policy = bundle.description, bundle.policy
    if policy is None:
        raise ConfigError(f"{bundle.folder} holds skills alone, expected a policy. Export one: spirl export --policy.")
    scene = load_kitchen_scene()
    if about.observation.names != (*scene.joint_names, *scene.scene_names):
        raise ConfigError(f"{bundle.folder} does not observe what {FRANKA_KITCHEN} gives.")
    targets = [target.replace("_", " ") for target in about.target_subtasks]
    environment = make_franka_kitchen(
        tasks_to_complete=targets,
        terminate_on_tasks_completed=False,
        remove_task_when_completed=False,
        max_episode_steps=_MAX_STEPS,
    )
    ordered, completed, steps = [], [], 0
    began = time.perf_counter()
    for index in range(settings.episodes):
        generator = np.random.default_rng((settings.seed, index))
        given, _ = environment.reset(seed=FIRST_SEED + settings.seed + index)
        done: set[str] = set()
        in_order, latent = 0, np.empty(0)
        for step in range(_MAX_STEPS):
            observation = np.concatenate((given["observation"][_JOINTS], given["observation"][_SCENE]))
            if step % about.skill_horizon == 0:
                if settings.is_sampled:
                    latent = policy.sample(observation, generator, in_order)
                else:
                    latent = policy.distribution(observation, in_order).latent
            action = bundle.decoder.decode(observation, latent, step % about.skill_horizon)
            given, _, _, _, info = environment.step(np.clip(action, -1.0, 1.0))
            steps += 1
            now_done = set(info["step_task_completions"])
            done |= now_done & set(targets)
            while in_order < len(targets) and targets[in_order] in now_done:
                in_order += 1
            if in_order == len(targets):
                break
        ordered.append(in_order)
        completed.append(tuple(target.replace(" ", "_") for target in targets if target in done))
    environment.close()
    seconds = time.perf_counter() - began
    return evaluation_figures(about.target_subtasks, ordered, completed, steps / seconds, settings.is_sampled)
