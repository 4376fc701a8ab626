"""A bundle's graphs in gymnasium-robotics' own FrankaKitchen-v1: nothing of ours in between but the order of values."""

import time
from typing import Any

import numpy as np

from spirl_ros.control.observation_fields import STATE
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import ConfigError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.franka_kitchen import FRANKA_KITCHEN, make_franka_kitchen
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.rl.evaluation import FIRST_SEED, EvaluationSettings, evaluation_figures
from spirl_ros.tasks.disturbance import DisturbedEpisodes
from spirl_ros.tasks.disturbed_physics import DisturbedPhysics

_JOINTS, _SCENE = slice(0, 9), slice(18, 39)
"""Where positions are in its observation (59,); the rest are velocities."""
_MAX_STEPS = 280


def evaluate_in_franka_kitchen(bundle: Bundle, settings: EvaluationSettings) -> dict[str, Any]:
    """Run episodes of a policy without our environment, executor and safety filter; figures as of `evaluate_bundle`.

    Raises:
        ConfigError: the bundle has no policy, or observes something else; or the disturbance is about something else.
    """
    about, policy = bundle.description, bundle.policy
    if policy is None:
        raise ConfigError(f"{bundle.folder} holds skills alone, expected a policy. Export one: spirl export --policy.")
    scene = load_kitchen_scene()
    if about.state.names != (*scene.joint_names, *scene.scene_names):
        raise ConfigError(f"{bundle.folder} does not observe what {FRANKA_KITCHEN} gives.")
    targets = [target.replace("_", " ") for target in about.target_subtasks]
    environment = make_franka_kitchen(
        tasks_to_complete=targets,
        terminate_on_tasks_completed=False,
        remove_task_when_completed=False,
        max_episode_steps=_MAX_STEPS,
    )
    disturbed = DisturbedEpisodes(settings.disturbance, KITCHEN.robot)
    robot = environment.get_wrapper_attr("robot_env")
    physics = DisturbedPhysics(robot.model, robot.data, robot.init_qpos.copy(), disturbed)
    ordered, completed, steps = [], [], 0
    began = time.perf_counter()
    for index in range(settings.episodes):
        generator = np.random.default_rng((settings.seed, index))
        seed = FIRST_SEED + settings.seed + index
        disturbed.begin(seed)
        positions = physics.begin()
        robot.init_qpos = physics.usual_start if positions is None else positions
        given, _ = environment.reset(seed=seed)
        done: set[str] = set()
        in_order, latent = 0, np.empty(0)
        for step in range(_MAX_STEPS):
            measured = np.concatenate((given["observation"][_JOINTS], given["observation"][_SCENE]))
            observation = disturbed.observe(measured)
            if step % about.skill_horizon == 0:
                if settings.is_sampled:
                    latent = policy.sample({STATE: observation}, generator, in_order)
                else:
                    latent = policy.distribution({STATE: observation}, in_order).latent
            action = bundle.decoder.decode(observation, latent, step % about.skill_horizon)
            physics.push()
            given, _, _, _, info = environment.step(np.clip(disturbed.late(action), -1.0, 1.0))
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
