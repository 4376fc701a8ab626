"""A task of your own, to start from: an arm has to be at three places, one after the other. docs/new_task.md explains it."""

import argparse
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from spirl_ros.arms.robot_configuration import RobotConfiguration, read_robot
from spirl_ros.control.safety_filter import SafetyFilter
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig
from spirl_ros.rl.decision_environment import ActionsAsLatents
from spirl_ros.rl.learner_setup import Foundation, make_learner, skill_foundation
from spirl_ros.rl.replay import Replay
from spirl_ros.rl.training import RlTraining
from spirl_ros.skills.run import SkillRun
from spirl_ros.tasks.progress import SubtaskProgress
from spirl_ros.tasks.skill_environment import SkillResult

SUBTASKS = {"left": 0.4, "right": -0.4, "home": 0.0}
"""Where the first joint has to be, from its home [rad], in this order."""
DONE_DISTANCE_RAD, MAX_STEPS = 0.1, 100


class ReachTask:
    """What RlTraining needs (rl/decision_environment.py): observation, completed, completed_in_order, reset, execute."""

    def __init__(self, robot: RobotConfiguration, executor: SkillExecutor) -> None:
        """Ready to be reset. Everything but `_move` and `_done` can stay as it is."""
        limits, period_s = robot.limits, 1.0 / robot.control_rate_hz
        self._robot, self._executor = robot, executor
        self._meaning = VelocityAction(limits.position_lower, limits.position_upper, period_s, robot.velocity_scale)
        self._filter = SafetyFilter(limits, period_s, max_age_s=period_s)
        self.reset(seed=0)

    @property
    def completed_in_order(self) -> int:
        """Subtasks completed in order, 0 to K."""
        return self._progress.completed_in_order

    @property
    def completed(self) -> tuple[str, ...]:
        """Subtasks completed in any order."""
        return tuple(name for name in SUBTASKS if name in self._progress.completed_at_step)

    def reset(self, seed: int) -> np.ndarray:
        """The same seed gives the same episode, to the last bit."""
        generator = np.random.default_rng(seed)
        self.observation = self._robot.home + generator.uniform(-0.02, 0.02, self._robot.home.shape)
        self._progress, self._step = SubtaskProgress(tuple(SUBTASKS)), 0
        self._executor.abort()
        self._commanded = self._filter.activate(self.observation).joint_positions
        return self.observation

    def execute(self, latent: np.ndarray) -> SkillResult:
        """A skill to its end, or to the episode's, with the executor and the safety filter of the robot."""
        self._executor.start(latent)
        reward = 0.0
        while True:
            action = np.clip(self._executor.step(self.observation), -1.0, 1.0)
            # An action of 1 moves what was commanded at velocity_scale, as on the arm; where the arm really is, it observes.
            command = self._meaning.joint_command(action, self._commanded)
            self._commanded = self._filter.filter(command, age_s=0.0).joint_positions
            self.observation = self._move(self._commanded)
            self._step += 1
            reward += self._progress.update(self._done(), self._step)
            terminated = self._progress.is_complete
            truncated = not terminated and self._step == MAX_STEPS
            if self._executor.is_done or terminated or truncated:
                steps = self._executor.steps_done
                self._executor.abort()
                return SkillResult(self.observation, reward, terminated, truncated, steps)

    def _move(self, joint_command: np.ndarray) -> np.ndarray:
        """Your simulator: one control period, then the new observation (Do,). This arm is where it was sent."""
        return joint_command

    def _done(self) -> set[str]:
        """Your task: which subtasks the scene shows as done now."""
        distance = self.observation[0] - self._robot.home[0]
        return {name for name, place in SUBTASKS.items() if abs(distance - place) < DONE_DISTANCE_RAD}


def make_training(config: RlTrainingConfig, skills: Path | None, bundle: Path | None) -> RlTraining:
    """Learning with skills of this arm, or with single actions (method `sac`), which need none."""
    robot = read_robot("ur5e")
    size = len(robot.limits.joint_names)
    torch.set_num_threads(config.threads)  # networks this small are three times slower with two
    torch.manual_seed(config.seed)
    if skills is None or bundle is None:
        foundation = Foundation(nn.Identity(), None, size, latent_size=size, skill_horizon=10)

        def make_task() -> ReachTask:
            return ReachTask(robot, SkillExecutor(ActionsAsLatents(), 1, size, size, size))

    else:
        foundation, loaded = skill_foundation(SkillRun.open(skills).load_best_model(), config, ()), load_bundle(bundle)

        def make_task() -> ReachTask:
            return ReachTask(robot, loaded.executor())

    learner = make_learner(LearnerConfig(), config, foundation, len(SUBTASKS))
    replay = Replay(config.steps + config.environments * 10, foundation.observation_size, foundation.latent_size)
    return RlTraining(config, learner, replay, None, make_task)


def main() -> None:
    """Learn, and print how it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--skills", type=Path, metavar="RUN", help="of spirl skills train; without it: plain SAC")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="what spirl export made of them")
    parsed = parser.parse_args()
    method = "sac" if parsed.skills is None else "spirl"
    config = RlTrainingConfig(method=method, steps=parsed.steps, demos_in_replay=False, evaluate_every=2000)
    training = make_training(config, parsed.skills, parsed.bundle)
    # Ctrl-C ends it: RlTraining.state is what a longer training would save.
    with suppress(KeyboardInterrupt), closing(training), tqdm(total=config.steps) as bar:
        for report in training.run():
            bar.update(report.step - bar.n)
            if report.is_evaluation:
                bar.write(f"step {report.step}: {report.ordered_mean:.2f} of {len(SUBTASKS)} in order")


if __name__ == "__main__":
    main()
