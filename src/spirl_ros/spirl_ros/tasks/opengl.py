"""Which OpenGL MuJoCo draws with on this machine, without a screen: found once, named, and used in this process."""

import functools
import importlib
import os
import subprocess
import sys
import textwrap

from spirl_ros.errors import HOW_TO_DRAW, PlotError

BACKENDS = ("egl", "osmesa", "glfw")
"""What MuJoCo can draw with, the fastest without a screen first."""
# A picture and not a context alone: glfw makes one without a screen, too, that nothing can be drawn in.
_PROBE = """
import mujoco
with mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, 8) as renderer:
    renderer.render()
"""
_PROBE_PATIENCE_S = 60.0
_REASON_LENGTH = 80
"""Letters of what each says when it fails."""


def working_backend() -> str:
    """What MuJoCo draws with on this machine: MUJOCO_GL where that is set, else the first of BACKENDS that works.

    Each is tried in a process of its own, because one that fails spoils the others.

    Raises:
        PlotError: none works.
    """
    wanted = os.environ.get("MUJOCO_GL", "")
    complaints = []
    for backend in (wanted,) if wanted else BACKENDS:
        try:
            result = subprocess.run(
                [sys.executable, "-c", _PROBE],
                env={**os.environ, "MUJOCO_GL": backend},
                capture_output=True,
                text=True,
                timeout=_PROBE_PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            complaints.append(f"{backend}: no answer for {_PROBE_PATIENCE_S:.0f} s")
            continue
        if result.returncode == 0:
            return backend
        # After the reason Python may complain of objects that were half made.
        reason = result.stderr.partition("Exception ignored in")[0].strip().splitlines() or ["failed"]
        complaints.append(f"{backend}: {textwrap.shorten(reason[-1], _REASON_LENGTH, placeholder=' …')}")
    raise PlotError(f"nothing can draw without a screen. {HOW_TO_DRAW}. Tried {'; '.join(complaints)}")


@functools.cache
def use_opengl() -> str:
    """Have MuJoCo draw in this process, and in those it starts, with `working_backend()`, whose name is returned.

    Raises:
        PlotError: nothing draws here.
    """
    backend = working_backend()
    os.environ["MUJOCO_GL"] = backend
    # Mesa's threads take every core from physics, and were a third slower than none in scenes of this size.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    import mujoco

    # MuJoCo chooses when it is imported, which it is long before anybody asks for a picture.
    importlib.reload(sys.modules[mujoco.Renderer.__module__].gl_context)
    return backend
