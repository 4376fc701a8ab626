"""Pictures as video, which PyAV writes and reads: H.264 without loss, so that the same pictures come back.

LeRobot's readers take it, web browsers do not.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from spirl_ros.errors import DatasetError

VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
VIDEO_FILE_MB = 200
"""A file is closed when it has grown beyond this, as LeRobot's own are."""
INSTALL_VIDEO = "pip install av"
CODEC, PIXELS = "h264", "gbrp"
"""As readers name them."""
_ENCODER = "libx264rgb"
_OPTIONS = {"qp": "0", "preset": "veryfast", "g": "2", "bf": "0"}
"""Without loss; every second picture stands alone, as in LeRobot's own, for readers that jump."""


def has_video() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


class VideoFiles:
    """Writes the pictures of one field, many episodes to a file."""

    def __init__(
        self, folder: Path, key: str, shape: tuple[int, ...], rate_hz: float, place: Callable[[int], Mapping[str, int]]
    ) -> None:
        """Prepare.

        Args:
            folder: of the dataset.
            key: of the feature.
            shape: height and width, and channels.
            rate_hz: pictures per second.
            place: chunk_index and file_index of the n-th file.
        """
        self._folder, self._key, self._shape, self._place = folder, key, shape, place
        self._rate = Fraction(rate_hz).limit_denominator(10_000)
        self._file, self._container, self._stream = -1, None, None
        self._bytes = self._pictures = 0

    def add(self, pictures: np.ndarray) -> dict[str, Any]:
        """Write the pictures (T, H, W, 3) of an episode; returns where they are, as its row in meta/episodes says it.

        Raises:
            OSError: the disk refuses.
        """
        import av

        with _as_os_error():
            if self._container is None or self._bytes > VIDEO_FILE_MB * 2**20:
                self._open()
            first = self._pictures
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base = self._pictures, 1 / self._rate
                self._mux(frame)
                self._pictures += 1
        return {
            **{f"videos/{self._key}/{name}": number for name, number in self._place(self._file).items()},
            f"videos/{self._key}/from_timestamp": float(first / self._rate),
            f"videos/{self._key}/to_timestamp": float(self._pictures / self._rate),
        }

    def close(self) -> None:
        """Complete the last file. Raises OSError: the disk refuses."""
        if self._container is None:
            return
        with _as_os_error():
            self._mux(None)
            self._container.close()
        self._container = None

    def _open(self) -> None:
        import av

        self.close()
        self._file += 1
        path = self._folder / VIDEO_PATH.format(video_key=self._key, **self._place(self._file))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream(_ENCODER, rate=self._rate, options=_OPTIONS)
        self._stream.height, self._stream.width = self._shape[:2]
        self._stream.pix_fmt, self._stream.codec_context.time_base = "rgb24", 1 / self._rate
        self._bytes = self._pictures = 0

    def _mux(self, frame: Any) -> None:
        assert self._container is not None and self._stream is not None
        for packet in self._stream.encode(frame):
            self._bytes += packet.size
            self._container.mux(packet)


def video_frames(folder: Path, key: str) -> Iterator[np.ndarray]:
    """The pictures (H, W, 3) of a feature in order. Raises DatasetError: no PyAV, or a file is damaged."""
    if not has_video():
        raise DatasetError(
            f"{folder} has pictures as video, which PyAV reads: {INSTALL_VIDEO}, or import without them: --cameras "
            "none."
        )
    import av

    for path in sorted((folder / "videos" / key).glob("*/*.mp4")):
        with _naming(path), av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")


@contextmanager
def _as_os_error() -> Iterator[None]:
    """What PyAV says of a disk that is full, as other writers say it."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What PyAV says of a file that it reads."""
    from av.error import FFmpegError

    try:
        yield
    except (FFmpegError, EOFError, IndexError) as error:
        raise DatasetError(
            f"{path} cannot be read: {str(error) or type(error).__name__:.200}. Expected a whole file of video."
        ) from error
