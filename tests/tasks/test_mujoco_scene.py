"""What a scene says of itself, worked out by hand."""

import mujoco
import numpy as np

from spirl_ros.tasks.mujoco_scene import scene_of_model

MODEL = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <body><joint name="slide" type="slide" range="-0.5 1"/><geom size="0.1"/>
      <body><joint name="turn" range="-2 3"/><geom size="0.1"/></body>
    </body>
    <body name="ball"><freejoint name="ball"/><geom size="0.1"/></body>
  </worldbody>
  <actuator><position joint="slide"/><position joint="turn"/></actuator>
  {keyframe}
</mujoco>"""


def scene(keyframe: str = ""):
    model = mujoco.MjModel.from_xml_string(MODEL.format(keyframe=keyframe))
    return scene_of_model(model, 2, control_period_s=0.02, velocity=1.0, acceleration=2.0, jerk=3.0)


def test_names_units_and_limits_are_read_from_the_model() -> None:
    read = scene()
    assert read.joint_names == ("slide", "turn")
    assert read.scene_names == tuple(f"ball_{name}" for name in ("x", "y", "z", "qw", "qx", "qy", "qz"))
    assert [read.units()[name] for name in ("slide", "turn", "ball_z", "ball_qw")] == ["m", "rad", "m", "1"]
    np.testing.assert_array_equal([read.position_lower, read.position_upper], [[-0.5, -2.0], [1.0, 3.0]])
    np.testing.assert_array_equal(
        [read.limits.velocity, read.limits.acceleration, read.limits.jerk], [[1] * 2, [2] * 2, [3] * 2]
    )
    assert read.physics_steps_per_control_step == 10


def test_episodes_start_at_the_first_keyframe() -> None:
    np.testing.assert_array_equal(scene().initial_positions, [0, 0, 0, 0, 0, 1, 0, 0, 0])
    key = '<keyframe><key qpos="0.1 0.2 1 2 3 1 0 0 0"/></keyframe>'
    np.testing.assert_array_equal(scene(key).initial_positions, [0.1, 0.2, 1, 2, 3, 1, 0, 0, 0])
