"""The maze's MuJoCo model: a point on two slides among walls, with the dynamics of D4RL's PointMaze.

There a force is commanded. Here the slides are joints with position servos like any arm's, whose force has the same
limits: an action is a velocity, and the point's motion that of PointMaze under the force that the servo gives.
"""

import mujoco
import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import Field
from spirl_ros.maze.layouts import wall_boxes
from spirl_ros.tasks.mujoco_scene import MujocoScene

CONTROL_PERIOD_S = 0.01
SPEED_M_S = 5.0
"""Of an action of 1; PointMaze's point is never faster."""
SERVO_FORCE_N = 100.0
SERVO_DAMPING = 50.0
"""Of the servo [N s/m]. A set-point that leads the point by one period at some speed is held with this much force for
each m/s that lacks: half of PointMaze's range for 1 m/s."""
_STIFFNESS = SERVO_DAMPING / CONTROL_PERIOD_S
JOINTS = ("x", "y")
VELOCITY = Field("velocity", (2,), names=("x_velocity", "y_velocity"), units=("m/s", "m/s"))
"""The state without the position."""
_LARGEST_M = 41.0
"""Of a place in any layout."""


def maze_scene(layout: np.ndarray) -> MujocoScene:
    """The compiled scene of a layout."""
    walls = "".join(
        f'<geom type="box" class="wall" pos="{x} {y} 0.1" size="{half_x} {half_y} 0.2"/>'
        for x, y, half_x, half_y in wall_boxes(layout)
    )
    across = layout.shape[0] / 2.0
    servo = f'gainprm="{_STIFFNESS}" biastype="affine" biasprm="0 {-_STIFFNESS} {-SERVO_DAMPING}"'
    model = mujoco.MjModel.from_xml_string(f"""
<mujoco model="maze">
  <compiler inertiafromgeom="true" angle="radian"/>
  <option timestep="{CONTROL_PERIOD_S}" gravity="0 0 0" integrator="Euler" iterations="20"/>
  <default>
    <joint damping="1"/>
    <geom friction="0.5 0.1 0.1" density="1000" margin="0.002" condim="1"/>
    <default class="wall"><geom rgba="0.7 0.5 0.3 1"/></default>
  </default>
  <worldbody>
    <geom type="plane" size="{across} {across} 0.1" pos="{across} {across} -0.1" rgba="0.15 0.25 0.35 1"
      contype="0" conaffinity="0"/>
    {walls}
    <body name="point">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom type="sphere" size="0.1" rgba="0.2 0.9 0.3 1"/>
    </body>
  </worldbody>
  <actuator>
    <general name="x" joint="x" {servo} forcelimited="true" forcerange="{-SERVO_FORCE_N} {SERVO_FORCE_N}"/>
    <general name="y" joint="y" {servo} forcelimited="true" forcerange="{-SERVO_FORCE_N} {SERVO_FORCE_N}"/>
  </actuator>
</mujoco>""")
    both = np.ones(2)
    # From full speed one way to full speed the other, the set-point moves by two leads within one period.
    velocity = 3.0 * SPEED_M_S
    acceleration = 2.0 * velocity / CONTROL_PERIOD_S
    return MujocoScene(
        model=model,
        joint_names=JOINTS,
        scene_names=(),
        velocity_names=VELOCITY.names,
        limits=JointLimits(
            JOINTS,
            position_lower=0.0 * both,
            position_upper=_LARGEST_M * both,
            velocity=velocity * both,
            acceleration=acceleration * both,
            jerk=2.0 * acceleration / CONTROL_PERIOD_S * both,
        ),
        initial_positions=np.ones(2),
        control_period_s=CONTROL_PERIOD_S,
        position_noise=np.zeros(2),
        velocity_noise=np.zeros(2),
    )
