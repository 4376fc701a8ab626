"""Draws a film; a process of its own, started by film.py with MUJOCO_GL set."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from spirl_ros.monitoring.film import ffmpeg_program
from spirl_ros.tasks.scene_cameras import plain_renderer
from spirl_ros.tasks.scene_view import Camera, SceneView, find_view

_COLOURS = 128
"""Of a GIF's palette."""
_MARGIN_PIXELS = 8


def draw(view: SceneView, positions: np.ndarray, captions: list[str], width: int, height: int) -> Iterator[Image.Image]:
    """A picture per row of positions (N, Da+Ds), with its caption."""
    model = view.load_scene().model
    data = mujoco.MjData(model)
    camera = _mujoco_camera(view.look(view.film_camera))
    with plain_renderer(model, height, width) as renderer:
        for row, caption in zip(positions, captions, strict=True):
            data.qpos[:] = row
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera)
            picture = Image.fromarray(renderer.render())
            brush = ImageDraw.Draw(picture)
            brush.multiline_text(
                (_MARGIN_PIXELS, _MARGIN_PIXELS), caption, fill="white", stroke_width=2, stroke_fill="black"
            )
            yield picture


def _mujoco_camera(camera: Camera) -> mujoco.MjvCamera:
    ahead = np.subtract(camera.look_at_m, camera.position_m)
    found = mujoco.MjvCamera()
    found.type = mujoco.mjtCamera.mjCAMERA_FREE
    found.lookat, found.distance = camera.look_at_m, float(np.linalg.norm(ahead))
    found.azimuth = float(np.degrees(np.arctan2(ahead[1], ahead[0])))
    found.elevation = float(np.degrees(np.arcsin(ahead[2] / found.distance)))
    return found


def write_gif(pictures: Iterator[Image.Image], path: Path, period_s: float) -> None:
    """Write pictures that repeat for ever. One palette for all: small, and without flicker."""
    frames = list(pictures)
    palette = frames[len(frames) // 2].quantize(_COLOURS)
    quantized = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    period_ms = round(1000 * period_s)
    quantized[0].save(
        path, format="gif", save_all=True, append_images=quantized[1:], duration=period_ms, loop=0, optimize=True
    )


def write_mp4(pictures: Iterator[Image.Image], path: Path, width: int, height: int, period_s: float) -> None:
    """Hand pictures to ffmpeg."""
    program = ffmpeg_program()
    assert program is not None
    raw = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{width}x{height}",
        "-r",
        str(1.0 / period_s),
        "-i",
        "-",
    ]
    command = [program, "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p", "-f", "mp4", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for picture in pictures:
            process.stdin.write(picture.tobytes())
    if process.returncode != 0:
        sys.exit(f"ffmpeg ended with {process.returncode}; see its message above.")


def main() -> None:
    """Draw FILM.npz into FILE of WIDTH x HEIGHT, with the scene of FAMILY."""
    film, path, width, height = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    view = find_view(sys.argv[5])
    period_s = view.load_scene().control_period_s
    with np.load(film, allow_pickle=False) as values:
        pictures = draw(view, values["positions"], [str(caption) for caption in values["captions"]], width, height)
        temporary = path.with_name(f".{path.name}.writing")
        try:
            if path.suffix == ".gif":
                write_gif(pictures, temporary, period_s)
            else:
                write_mp4(pictures, temporary, width, height, period_s)
            temporary.rename(path)
        except OSError as error:
            sys.exit(f"the disk refuses: {error}. Choose another folder.")
        finally:
            temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
