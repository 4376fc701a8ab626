import os
import subprocess
import sys

import pytest

from spirl_ros.errors import ConfigError, explain


def test_only_what_the_user_can_mend_is_explained() -> None:
    assert explain(ConfigError("rate is 0")) == "rate is 0"
    assert explain(ValueError("bug")) is None
    assert explain(ModuleNotFoundError("No module named 'x'", name="x")) is None


@pytest.mark.parametrize("module", ["spirl_ros.nodes.mujoco_sim", "spirl_ros.nodes.scripted_operator"])
def test_missing_package_is_one_line_with_the_next_step(module: str) -> None:
    pytest.importorskip("spirl_msgs")
    code = f"import sys; sys.modules['mujoco'] = None; import runpy; runpy.run_module('{module}', run_name='__main__')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    assert result.stderr.startswith("error: the package mujoco is not installed.")
    assert "pip install 'spirl_ros[sim]'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("module", ["spirl_ros.nodes.mujoco_sim", "spirl_ros.commands.main"])
def test_opengl_that_mujoco_cannot_load_is_one_line_with_the_next_step(module: str) -> None:
    """It fails where MuJoCo is imported, before anybody asks for a picture."""
    pytest.importorskip("spirl_msgs")
    pytest.importorskip("mujoco")
    arguments = ["demos", "collect", "--out", "nowhere/data"] if module.endswith("main") else []
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "MUJOCO_GL": "nothing"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode != 0 and result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("error: MUJOCO_GL is 'nothing', with which MuJoCo cannot be loaded (RuntimeError: ")
    assert "apt install libosmesa6" in result.stderr and result.stderr.endswith("or unset MUJOCO_GL.\n")
