"""Package of the ROS 2 workspace, built by colcon, or alone by pip."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "spirl_ros"
# launch and models are symlinks to the folders at the top of the repository: a path with `..` here would be installed
# outside the install space.
DATA_FOLDERS = ("launch", "models", "config", "rviz")


def data_files():
    """Return where each data file goes, as (folder below the install prefix, files)."""
    files = {
        "share/ament_index/resource_index/packages": [f"resource/{PACKAGE}"],
        f"share/{PACKAGE}": ["package.xml"],
    }
    for folder in DATA_FOLDERS:
        for path in sorted(Path(folder).glob("**/*")):
            hidden = any(part.startswith((".", "__")) for part in path.parts)
            if path.is_file() and not hidden:
                files.setdefault(f"share/{PACKAGE}/{path.parent}", []).append(str(path))
    return list(files.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Skill-prior reinforcement learning (SPiRL) for robot arms, on ROS 2.",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={f"{PACKAGE}.monitoring": ["templates/*.html"]},
    data_files=data_files(),
    python_requires=">=3.10",
    # What runs on the robot. The exact versions that we test stand in requirements/.
    install_requires=["numpy>=1.26", "pyyaml>=6.0", "argcomplete>=3.1", "mcap>=1.6", "mcap-ros2-support>=0.6"],
    extras_require={
        # Runs bundles, and reads one that is new first. Machines with an NVIDIA driver take onnxruntime-gpu in place of
        # onnxruntime, never both.
        "robot": ["onnxruntime>=1.23", "onnx>=1.20"],
        "sim": [
            "mujoco>=3.9,<5",
            "gymnasium-robotics>=1.4.2,<1.5",
            "h5py>=3.11",
            "pillow>=11",
            "tqdm>=4.66",
            "jinja2>=3.1",
            "mjviser>=0.0.14,<0.1",
            "viser>=1.1.1,<2",
        ],
        "train": [
            "torch>=2.13,<3",
            "onnxruntime>=1.23",
            "onnx>=1.20",
            "onnxscript>=0.7",
            "tensorboard>=2.17",
            "h5py>=3.11",
            "tqdm>=4.66",
            "matplotlib>=3.10",
            "pillow>=11",
            "pyarrow>=20",
        ],
        # Pictures as video, in LeRobot's datasets.
        "video": ["av>=14"],
        # Peers of `spirl bench`, measured as they are.
        "bench": ["stable-baselines3>=2.9", "minari>=0.5.3", "rosbags>=0.11.9"],
        "dev": [
            "av>=14",
            "hypothesis>=6.100",
            "matplotlib>=3.10",
            "minari>=0.5.3",
            "onnx>=1.20",
            "pyarrow>=20",
            "pyright>=1.1.400",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "rosbags>=0.11.9",
            "ruff>=0.17",
        ],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "spirl = spirl_ros.commands.main:main",
            "message_load = spirl_ros.nodes.message_load:main",
            "monitor = spirl_ros.nodes.monitor:main",
            "mujoco_sim = spirl_ros.nodes.mujoco_sim:main",
            "recorder = spirl_ros.nodes.recorder:main",
            "scene_markers = spirl_ros.nodes.scene_markers:main",
            "scripted_operator = spirl_ros.nodes.scripted_operator:main",
            "skill_executor = spirl_ros.nodes.skill_executor:main",
            "skill_policy = spirl_ros.nodes.skill_policy:main",
            "stand_in_arm = spirl_ros.nodes.stand_in_arm:main",
            "teleop = spirl_ros.nodes.teleop:main",
            "trainer = spirl_ros.nodes.trainer:main",
        ],
    },
)
