"""RViz as a child of a node, where it is installed."""

import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from spirl_ros.control.image_messages import image_topic
from spirl_ros.control.observation_fields import Field
from spirl_ros.shipped import shipped
from spirl_ros.tasks.scene_view import SceneView

END_S = 3.0
"""RViz that has not ended this long after SIGTERM is killed [s]."""


class RvizWindow:
    """Starts RViz with the configuration of a scene and ends it. Closing the window ends nothing else."""

    def __init__(self, view: SceneView, namespace: str, pictures: Sequence[Field] = ()) -> None:
        """Take a scene and what cameras take of it; the topics are relative to a namespace."""
        self._view, self._pictures = view, pictures
        self._arguments = ["--ros-args", "-r", f"__ns:={namespace or '/'}"]
        # RViz looks for frames outside every namespace unless it is told otherwise.
        self._arguments += ["-r", "/tf:=tf", "-r", "/tf_static:=tf_static"]
        self._process: subprocess.Popen | None = None
        self._folder: tempfile.TemporaryDirectory | None = None

    def open(self) -> str:
        """Start it. Returns a sentence about what is done."""
        program = shutil.which("rviz2")
        if program is None:
            return (
                "rviz2 is not installed here, so only the markers are published. Install it from the ROS distribution "
                "(package rviz2), or look with viewer:=web."
            )
        self._folder = tempfile.TemporaryDirectory(prefix="spirl_rviz_")
        path = Path(self._folder.name) / f"{self._view.name}.rviz"
        path.write_text(rviz_configuration(self._view, self._pictures))
        self._process = subprocess.Popen([program, "-d", str(path), *self._arguments], start_new_session=True)
        return f"RViz starts with {path}"

    def ended_with(self) -> int | None:
        """Its exit code if it has ended by itself, negative for the signal that ended it; None while it runs."""
        return None if self._process is None else self._process.poll()

    def close(self) -> None:
        """End it if it still runs."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def rviz_configuration(view: SceneView, pictures: Sequence[Field] = ()) -> str:
    """Our configuration of RViz, looking at a scene from its camera, beside what other cameras take."""
    configuration = yaml.safe_load(shipped("rviz/scene.rviz").read_text())
    manager = configuration["Visualization Manager"]
    (markers,) = (display for display in manager["Displays"] if display["Name"] == "Scene")
    markers["Namespaces"][view.name] = True
    manager["Displays"] += [
        {
            "Class": "rviz_default_plugins/Image",
            "Enabled": True,
            "Name": f"Camera {field.source}",
            "Topic": {
                "Depth": 1,
                "Durability Policy": "Volatile",
                "History Policy": "Keep Last",
                "Reliability Policy": "Best Effort",
                "Value": image_topic(field.source),
            },
            "Value": True,
        }
        for field in pictures
    ]
    camera = view.look(view.rviz_camera)
    back = np.subtract(camera.position_m, camera.look_at_m)
    distance = float(np.linalg.norm(back))
    manager["Views"]["Current"] |= {
        "Distance": distance,
        "Focal Point": dict(zip("XYZ", (float(value) for value in camera.look_at_m), strict=True)),
        "Pitch": math.asin(back[2] / distance),
        "Yaw": math.atan2(back[1], back[0]) % math.tau,
    }
    return yaml.safe_dump(configuration, sort_keys=False)
