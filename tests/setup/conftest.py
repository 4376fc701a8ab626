"""A small clone: the set-up itself and the least that it sets up."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    for name in ("workspace", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "colcon.meta", folder)
    for name, text in {
        "src/spirl_msgs/msg/Skill.msg": "float32[] latent\n",
        "src/spirl_ros/setup.py": "",
        "src/spirl_ros/spirl_ros/__init__.py": "",
        "launch/kitchen_sim.launch.py": "",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def run_setup(clone):
    """Run the set-up's command line with the base interpreter and changed environment variables."""

    def run(*options, **variables):
        plain = ("ROS_DISTRO", "AMENT_PREFIX_PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "CC", "CXX")
        environment = {name: value for name, value in os.environ.items() if name not in plain}
        environment.update({"PYTHON": getattr(sys, "_base_executable", sys.executable), **variables})
        return subprocess.run(
            ["/bin/sh", clone / "workspace" / "run", *options],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run
