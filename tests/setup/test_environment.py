import os
import subprocess
from dataclasses import replace

import pytest

from workspace.distribution import Distribution
from workspace.environment import build_environment, write_environment
from workspace.plan import make_plan

NAMES = ("PATH", "AMENT_PREFIX_PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "RMW_IMPLEMENTATION")


@pytest.fixture
def plan(clone):
    # A space in the folder's name must not matter.
    venv = clone / "the venv"
    plan = make_plan(clone, venv, frozenset({"sim"}), "", "cpu", {"PATH": "/usr/bin"})
    (venv / "bin").mkdir(parents=True)
    (venv / "colcon/install/spirl_msgs/lib/python3.11/site-packages").mkdir(parents=True)
    (plan.site_packages / "ros_rclpy.libs").mkdir(parents=True)
    return plan


def variables(plan, **environment):
    write_environment(plan)
    shell = 'for name in "$@"; do eval "printf \'%s\\n\' \\"\\${$name-unset}\\""; done'
    completed = subprocess.run(
        [plan.venv / "bin" / "spirl-env", "sh", "-c", shell, "sh", *NAMES],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(NAMES, completed.stdout.splitlines(), strict=True))


def test_wheels_are_found_first_and_with_their_own_middleware(plan):
    found = variables(plan, PYTHONPATH="/mine", RMW_IMPLEMENTATION="rmw_other")
    messages = plan.install_space / "spirl_msgs"
    assert found["PATH"] == f"{plan.venv}/bin:/usr/bin:/bin"
    assert found["AMENT_PREFIX_PATH"] == f"{plan.install_space}/spirl_ros:{messages}:{plan.venv}"
    assert found["PYTHONPATH"] == f"{messages}/lib/python3.11/site-packages:/mine"
    assert found["LD_LIBRARY_PATH"] == f"{messages}/lib:{plan.venv}/lib:{plan.site_packages}/ros_rclpy.libs"
    assert found["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"


def test_distribution_keeps_its_middleware_and_comes_after_the_workspace(plan):
    distribution = Distribution("jazzy", plan.root, "3.12")
    found = variables(replace(plan, distribution=distribution), AMENT_PREFIX_PATH="/opt/ros/jazzy")
    assert found["AMENT_PREFIX_PATH"].endswith("/spirl_msgs:/opt/ros/jazzy")
    assert found["RMW_IMPLEMENTATION"] == "unset"
    # The distribution's `ros2` runs with its own interpreter, which imports the launch file's modules from here.
    assert found["PYTHONPATH"].split(":")[0] == str(plan.linked_modules)


def test_environment_inside_itself_changes_nothing(plan):
    once = variables(plan)
    assert variables(plan, **once, SPIRL_ENVIRONMENT=str(plan.venv)) == once


def test_exit_code_of_the_command_is_kept(plan):
    write_environment(plan)
    assert subprocess.run([plan.venv / "bin" / "spirl-env", "sh", "-c", "exit 7"], check=False).returncode == 7


def test_build_does_not_inherit_what_leads_it_astray(plan):
    astray = {
        "MAKEFLAGS": "--jobserver-auth=3,4 -k",
        "PYTHONPATH": "/opt/other",
        "PYTHONHOME": "/usr",
        "PIP_USER": "1",
        "PATH": "/usr/bin",
    }
    found = build_environment(plan, astray)
    assert found["MAKEFLAGS"] == f"-j{os.cpu_count()}"
    assert "PYTHONPATH" not in found and "PYTHONHOME" not in found
    assert found["PIP_USER"] == "0"
    assert found["AMENT_PREFIX_PATH"] == str(plan.venv)
