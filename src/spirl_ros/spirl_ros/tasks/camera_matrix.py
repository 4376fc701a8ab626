"""How a camera of a MuJoCo model projects the scene onto its pictures."""

import mujoco
import numpy as np


def camera_matrix(model: mujoco.MjModel, camera: str, height: int, width: int) -> np.ndarray | None:
    """Intrinsic matrix K (3, 3) of a camera, as CameraInfo has it: x right, y down, z ahead.

    Args:
        model: has the camera, with `fovy`, or with `focal`, `principal` and `sensorsize`.
        camera: its name.
        height: of its pictures [pixel].
        width: of its pictures [pixel].

    Returns:
        Focal lengths and principal point [pixel], counted from the centre of the first pixel; None for an orthographic
        camera, which has neither.
    """
    index = model.camera(camera).id
    if model.cam_projection[index] != mujoco.mjtProjection.mjPROJ_PERSPECTIVE:
        return None
    sensor = model.cam_sensorsize[index]
    if sensor.all():
        # Lengths on the sensor, which the picture covers, whatever its shape.
        focal, principal = model.cam_intrinsic[index, :2], model.cam_intrinsic[index, 2:]
        pixels = np.array([width, height]) / sensor
        (fx, fy), (cx, cy) = focal * pixels, (sensor / 2.0 - principal) * pixels
    else:
        fx = fy = height / 2.0 / np.tan(np.radians(model.cam_fovy[index]) / 2.0)
        cx, cy = width / 2.0, height / 2.0
    return np.array([[fx, 0.0, cx - 0.5], [0.0, fy, cy - 0.5], [0.0, 0.0, 1.0]])
