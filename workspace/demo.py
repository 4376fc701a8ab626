"""Starts the demo: with `ros2 launch` where that is installed, else with `spirl up`, which starts the same graph."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence


def demo_command(arguments: Sequence[str], has_launch: bool) -> list[str]:
    """The command for some arguments, each name:=value. An argument without a value is left out."""
    given = [argument for argument in arguments if not argument.endswith(":=")]
    if has_launch:
        return ["ros2", "launch", "spirl_ros", "kitchen_sim.launch.py", *given]
    return ["spirl", "up", "kitchen_sim", *given]


def main() -> None:
    """Become the demo, so that Ctrl-C reaches it and its exit code is ours."""
    # Nothing of the demo is to be seen by, or to listen to, other machines. The user's own choice counts more.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    has_launch = shutil.which("ros2") is not None and importlib.util.find_spec("ros2launch") is not None
    command = demo_command(sys.argv[1:], has_launch)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
