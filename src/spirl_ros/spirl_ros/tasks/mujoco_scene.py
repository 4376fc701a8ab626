"""A MuJoCo model and the facts about its robot that a task needs."""

from dataclasses import dataclass

import mujoco
import numpy as np

from spirl_ros.control.joint_limits import JointLimits

FREE_JOINT_COORDINATES = ("x", "y", "z", "qw", "qx", "qy", "qz")


@dataclass(frozen=True)
class MujocoScene:
    """The compiled model and what the task needs to know of it. Read-only, shared between simulations and threads.

    The robot's joints have one coordinate each and are the model's first; actuator i is the position servo of joint i.
    """

    model: mujoco.MjModel
    joint_names: tuple[str, ...]
    """The robot's joints (Da)."""
    scene_names: tuple[str, ...]
    """The coordinates of everything else (Ds), in the model's order. A free joint is x, y, z, qw, qx, qy, qz."""
    limits: JointLimits
    """Of joint commands that are held for one control period."""
    initial_positions: np.ndarray
    """Positions (Da+Ds,) [rad, m, 1] that every episode starts from."""
    control_period_s: float
    """Duration of one control step [s], a whole number of physics steps."""
    position_noise: np.ndarray
    """Half-width of the measurement noise per position (Da+Ds,) at ratio 1 [rad, m]."""
    velocity_noise: np.ndarray
    """Half-width of the measurement noise per velocity (nv,) at ratio 1 [rad/s, m/s]."""
    velocity_names: tuple[str, ...] = ()
    """Names of the joints' velocities (Da) where those are observed, after the scene; empty where they are not."""

    @property
    def observed_scene_names(self) -> tuple[str, ...]:
        """What is observed beside the joints' positions, in its order."""
        return (*self.scene_names, *self.velocity_names)

    @property
    def joint_count(self) -> int:
        """Number of the robot's joints, fingers included."""
        return len(self.joint_names)

    @property
    def position_lower(self) -> np.ndarray:
        """Smallest joint command (Da,) [rad, m]."""
        return self.limits.position_lower

    @property
    def position_upper(self) -> np.ndarray:
        """Largest joint command (Da,) [rad, m]."""
        return self.limits.position_upper

    @property
    def physics_steps_per_control_step(self) -> int:
        """Physics steps in one control step."""
        return round(self.control_period_s / self.model.opt.timestep)

    def units(self) -> dict[str, str]:
        """Unit of every observed value by name, read from the joints' types: `rad`, `m` or `1`, and per s."""
        by_type = {
            int(mujoco.mjtJoint.mjJNT_SLIDE): ("m",),
            int(mujoco.mjtJoint.mjJNT_HINGE): ("rad",),
            int(mujoco.mjtJoint.mjJNT_FREE): ("m", "m", "m", "1", "1", "1", "1"),
        }
        units = [unit for kind in self.model.jnt_type for unit in by_type[int(kind)]]
        positions = dict(zip((*self.joint_names, *self.scene_names), units, strict=True))
        joints = zip(self.velocity_names, self.joint_names, strict=False)
        return positions | {velocity: f"{positions[joint]}/s" for velocity, joint in joints}


def scene_of_model(
    model: mujoco.MjModel, joints: int, *, control_period_s: float, velocity: float, acceleration: float, jerk: float
) -> MujocoScene:
    """The scene of a model that starts at its first keyframe, or at its zero, and whose sensors have no noise.

    Args:
        model: its first joints are the robot's, with ranges and a position servo each.
        joints: number of the robot's joints.
        control_period_s: duration of one control step [s].
        velocity: largest of joint commands, of every joint [rad/s, m/s].
        acceleration: largest of joint commands [rad/s², m/s²].
        jerk: largest of joint commands [rad/s³, m/s³].
    """
    names = [coordinate_names(model, model.joint(index)) for index in range(model.njnt)]
    robot = tuple(name for own in names[:joints] for name in own)
    rates = {"velocity": velocity, "acceleration": acceleration, "jerk": jerk}
    return MujocoScene(
        model=model,
        joint_names=robot,
        scene_names=tuple(name for own in names[joints:] for name in own),
        limits=JointLimits(
            robot,
            *model.jnt_range[:joints].T,
            **{name: np.full(joints, value) for name, value in rates.items()},
        ),
        initial_positions=(model.key_qpos[0] if model.nkey else model.qpos0).copy(),
        control_period_s=control_period_s,
        position_noise=np.zeros(model.nq),
        velocity_noise=np.zeros(model.nv),
    )


def coordinate_names(model: mujoco.MjModel, joint) -> list[str]:
    """Names of a joint's coordinates in an observation."""
    if int(model.jnt_type[joint.id]) == int(mujoco.mjtJoint.mjJNT_FREE):
        return [f"{joint.name}_{coordinate}" for coordinate in FREE_JOINT_COORDINATES]
    return [joint.name]
