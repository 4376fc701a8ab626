"""Pictures of a MuJoCo model's cameras, drawn in a thread that has OpenGL to itself."""

import atexit
import copy
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from queue import SimpleQueue

import mujoco
import numpy as np

from spirl_ros.control.observation_fields import Field
from spirl_ros.errors import ConfigError, PlotError
from spirl_ros.tasks.camera_matrix import camera_matrix
from spirl_ros.tasks.opengl import use_opengl

_SHOWN = int(mujoco.mjtState.mjSTATE_QPOS | mujoco.mjtState.mjSTATE_MOCAP_POS | mujoco.mjtState.mjSTATE_MOCAP_QUAT)
"""All of a simulation's state that can be seen."""
_LEFT_OUT = (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_SKYBOX)

Pictures = Mapping[str, np.ndarray]
"""By field, (H, W, 3), uint8."""


def plain_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """Draws as fast as a program can in place of a graphics card: smooth edges, shadows and mirrors take half a second.

    Args:
        model: of the caller alone; it is changed.
        height: of the pictures [pixel].
        width: of the pictures [pixel].
    """
    model.vis.global_.offwidth = max(width, model.vis.global_.offwidth)
    model.vis.global_.offheight = max(height, model.vis.global_.offheight)
    model.vis.quality.offsamples = 0
    renderer = mujoco.Renderer(model, height, width)
    for flag in _LEFT_OUT:
        renderer.scene.flags[flag] = 0
    return renderer


class SceneCameras:
    """Draws what cameras of a model see, one moment after the other.

    An OpenGL context belongs to a thread, so there is one for it: it begins with the first picture and ends with the
    process. Other threads go on while it draws. Several may ask at once, and all of a process share it. The same
    positions give the same picture to the last bit, with the same OpenGL.
    """

    def __init__(self, model: mujoco.MjModel, pictures: Sequence[Field]) -> None:
        """Prepare; OpenGL is looked for with the first picture.

        Args:
            model: with all that is looked at; it is not changed.
            pictures: fields whose sources are cameras of the model.

        Raises:
            ConfigError: the model has no such camera, or a picture is not red, green and blue.
        """
        cameras = [model.camera(index).name for index in range(model.ncam)]
        for field in pictures:
            if field.source not in cameras:
                raise ConfigError(
                    f"the picture {field.name} is of camera '{field.source}', but the model has "
                    f"{', '.join(filter(None, cameras)) or 'no camera with a name'}. Name one of the model's, or give "
                    "the picture in `observe_more`."
                )
            if field.shape[-1] != 3:
                raise ConfigError(
                    f"the shape of the picture {field.name} is {field.shape}, but MuJoCo draws red, green and blue: "
                    f"expected {(*field.shape[:2], 3)}."
                )
        self.pictures = tuple(pictures)
        self.backend = ""
        """What it draws with, one of opengl.BACKENDS; empty before the first picture."""
        self._model = copy.copy(model)
        self._begin = threading.Lock()
        self._thread: threading.Thread | None = None
        self._orders: SimpleQueue[tuple[np.ndarray, Future[Pictures]] | None] = SimpleQueue()

    def draw(self, model: mujoco.MjModel, data: mujoco.MjData) -> "Future[Pictures]":
        """Begin to draw a moment; the simulation may go on at once.

        Args:
            model: of the simulation, whose positions are those of the model that is drawn.
            data: its state, of which a copy is taken.

        Returns:
            All pictures; or it raises PlotError where nothing draws here.
        """
        positions = np.empty(mujoco.mj_stateSize(model, _SHOWN))
        mujoco.mj_getState(model, data, positions, _SHOWN)
        future: Future[Pictures] = Future()
        self._orders.put((positions, future))
        with self._begin:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="scene_cameras", daemon=True)
                self._thread.start()
        return future

    def matrices(self) -> dict[str, np.ndarray]:
        """Intrinsic matrix (3, 3) of each picture's camera, by field, see camera_matrix; not of an orthographic one."""
        found = {field.name: camera_matrix(self._model, field.source, *field.shape[:2]) for field in self.pictures}
        return {name: matrix for name, matrix in found.items() if matrix is not None}

    def close(self) -> None:
        """End the thread after what was asked for."""
        if self._thread is not None and self._thread.is_alive():
            self._orders.put(None)
            self._thread.join()

    def _run(self) -> None:
        with ExitStack() as opened:
            renderers: dict[tuple[int, ...], mujoco.Renderer] = {}
            data = mujoco.MjData(self._model)
            while (order := self._orders.get()) is not None:
                positions, future = order
                try:
                    if not renderers:
                        self._open(renderers, opened)
                    future.set_result(self._drawn(positions, data, renderers))
                except Exception as error:  # Whoever asked is told.
                    future.set_exception(error)

    def _open(self, renderers: dict[tuple[int, ...], mujoco.Renderer], opened: ExitStack) -> None:
        backend = use_opengl()
        sizes = {field.shape[:2] for field in self.pictures}
        with ExitStack() as opening:
            try:
                made = {size: opening.enter_context(plain_renderer(self._model, *size)) for size in sizes}
            except (mujoco.FatalError, RuntimeError, MemoryError) as error:
                told = ", ".join(f"{height} x {width}" for height, width in sizes)
                raise PlotError(
                    f"{backend} draws no pictures of {told} pixels: {str(error).rstrip('.')}. Choose smaller ones."
                ) from error
            opened.enter_context(opening.pop_all())
        renderers |= made
        self.backend = backend
        # After what MuJoCo has registered there to end OpenGL, so that it runs before.
        atexit.register(self.close)

    def _drawn(
        self, positions: np.ndarray, data: mujoco.MjData, renderers: dict[tuple[int, ...], mujoco.Renderer]
    ) -> Pictures:
        mujoco.mj_setState(self._model, data, positions, _SHOWN)
        mujoco.mj_fwdPosition(self._model, data)
        pictures = {}
        for field in self.pictures:
            renderer = renderers[field.shape[:2]]
            renderer.update_scene(data, field.source)
            pictures[field.name] = renderer.render()
        return pictures
