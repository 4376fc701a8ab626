"""Pictures in LeRobot datasets: as video where PyAV is installed, else as PNG files inside the frames."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.formats.lerobot_video import CODEC, PIXELS, VideoFiles, has_video, video_frames
from spirl_ros.demonstrations.formats.parquet_source import read_table
from spirl_ros.errors import DatasetError

_LARGEST_PIXELS = 2**25
"""A file of some kilobytes may claim any number."""
_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def picture_key(described: Field) -> str:
    """LeRobot's name of a field."""
    return f"observation.images.{described.name}"


def picture_feature(described: Field, rate_hz: float) -> dict[str, Any]:
    """What meta/info.json says of a field; grey pictures have three equal channels there."""
    height, width, _ = described.shape
    feature = {"dtype": "image", "shape": [height, width, 3], "names": ["height", "width", "channels"]}
    if not has_video():
        return feature
    about = {"height": height, "width": width, "codec": CODEC, "pix_fmt": PIXELS, "is_depth_map": False}
    info = {f"video.{name}": value for name, value in {**about, "fps": rate_hz, "channels": 3}.items()}
    return {**feature, "dtype": "video", "info": {**info, "has_audio": False}}


def image_column(pictures: np.ndarray) -> pa.Array:
    """Pictures (T, H, W, C) as a column of PNG files, as the feature `image` has it."""
    names = [f"frame-{number:06d}.png" for number in range(len(pictures))]
    return pa.StructArray.from_arrays(
        [pa.array([to_png(one) for one in pictures], pa.binary()), pa.array(names)], ["bytes", "path"]
    )


def to_png(picture: np.ndarray) -> bytes:
    """A picture (H, W, C) as a file."""
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(_in_colours(picture))).save(file, "PNG")
    return file.getvalue()


def from_png(data: Any) -> np.ndarray:
    """The picture (H, W, 3) in a file. Raises DatasetError."""
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            if image.width * image.height > _LARGEST_PIXELS:
                raise ValueError(f"it has {image.width} x {image.height} pixels")
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # What damaged bytes lead to inside the decoder.
        raise DatasetError(f"a picture is no PNG file that can be read: {error!s:.100}.") from error


def histogram(pictures: np.ndarray) -> np.ndarray:
    """How often each channel of pictures (T, H, W, C) has each value, (3, 256)."""
    counts, at_once = np.zeros((pictures.shape[-1], 256), np.int64), max(1, 2**20 // pictures[0].size)
    for first in range(0, len(pictures), at_once):  # bincount takes eight bytes for each value
        for channel, of_channel in enumerate(counts):
            of_channel += np.bincount(pictures[first : first + at_once, ..., channel].ravel(), minlength=256)
    return np.array(np.broadcast_to(counts, (3, 256)))


def picture_statistics(counts: np.ndarray, pictures: int) -> dict[str, list]:
    """What LeRobot keeps of so many pictures with a histogram (3, 256): each (3, 1, 1), of values in [0, 1]."""
    values, shares = np.arange(256) / 255.0, counts / counts.sum(axis=1, keepdims=True)
    means, below = shares @ values, np.cumsum(counts, axis=1)
    found = {
        "min": values[np.argmax(counts > 0, axis=1)],
        "max": values[255 - np.argmax(counts[:, ::-1] > 0, axis=1)],
        "mean": means,
        "std": np.sqrt((shares * (values - means[:, None]) ** 2).sum(axis=1)),
        **{name: values[np.argmax(below >= q * below[:, -1:], axis=1)] for name, q in _QUANTILES.items()},
    }
    return {**{name: one.reshape(3, 1, 1).tolist() for name, one in found.items()}, "count": [pictures]}


def kept_fields(dataset: Dataset) -> tuple[Field, ...]:
    """Those that LeRobot's format has a place for."""
    return tuple(one for one in dataset.episodes[0].metadata.more_fields if one.dtype == PICTURE)


class PictureWriter:
    """The pictures of a dataset on their way out."""

    def __init__(self, dataset: Dataset, folder: Path, place: Callable[[int], Mapping[str, int]]) -> None:
        """Prepare to write a dataset to a folder, of whose n-th file `place` gives chunk_index and file_index."""
        self._fields, rate_hz = kept_fields(dataset), dataset.episodes[0].metadata.control_rate_hz
        self.files = [VideoFiles(folder, picture_key(one), one.shape, rate_hz, place) for one in self._fields]
        self.files = self.files if has_video() else []
        self._counts: dict[str, np.ndarray] = {}
        self._pictures = 0

    def columns(self, episode: Episode) -> dict[str, pa.Array]:
        """Columns of an episode's frames, where there is no video."""
        if self.files:
            return {}
        return {picture_key(one): image_column(episode.fields[one.name][:-1]) for one in self._fields}

    def add(self, episode: Episode) -> dict[str, Any]:
        """Write the video of an episode; returns entries of its row in meta/episodes."""
        row: dict[str, Any] = {}
        self._pictures += episode.steps
        for number, one in enumerate(self._fields):
            key, pictures = picture_key(one), episode.fields[one.name][:-1]
            if self.files:
                row |= self.files[number].add(_in_colours(pictures))
            counts = histogram(pictures)
            self._counts[key] = self._counts.get(key, 0) + counts
            for name, values in picture_statistics(counts, episode.steps).items():
                row[f"stats/{key}/{name}"] = values
        return row

    def statistics(self) -> dict[str, dict[str, list]]:
        """Of all pictures, by feature."""
        return {key: picture_statistics(counts, self._pictures) for key, counts in self._counts.items()}

    def close(self) -> None:
        """Complete the files."""
        for file in self.files:
            file.close()


def read_pictures(
    folder: Path, feature: Mapping[str, Any], described: Field, steps: Sequence[int], last: Sequence[Any]
) -> list[np.ndarray]:
    """The pictures (T+1, H, W, C) of each episode of a dataset of ours.

    Args:
        folder: of the dataset.
        feature: what meta/info.json says of the field.
        described: the field.
        steps: T of each episode; their sum is the number of frames.
        last: PNG file of the picture after each episode's last action.

    Raises:
        DatasetError: pictures lack, are damaged, or of another size.
    """
    key = picture_key(described)
    frames = video_frames(folder, key) if feature.get("dtype") == "video" else _image_frames(folder, key)
    episodes = []
    for count, file in zip(steps, last, strict=True):
        pictures = None
        for step in range(count + 1):
            frame = next(frames, None) if step < count else from_png(file)
            if frame is None or frame.shape != (*described.shape[:2], 3):
                found = "too few pictures" if frame is None else f"one of {frame.shape[1]} x {frame.shape[0]} pixels"
                raise DatasetError(
                    f"{folder}: {key} has {found}, expected {sum(steps)} of {described.shape[1]} x "
                    f"{described.shape[0]}. Export again, or import without pictures: --cameras none."
                )
            if pictures is None:  # not before a frame has shown that the size is true
                pictures = np.empty((count + 1, *described.shape), np.uint8)
            pictures[step] = frame[..., : described.shape[2]]
        assert pictures is not None
        pictures.flags.writeable = False  # so that an Episode need not copy it
        episodes.append(pictures)
    if next(frames, None) is not None:
        raise DatasetError(f"{folder}: {key} has more pictures than frames. Export again.")
    return episodes


def _image_frames(folder: Path, key: str) -> Iterator[np.ndarray]:
    for path in sorted((folder / "data").glob("*/*.parquet")):
        table = read_table(path, [key])
        if key not in table.column_names or not pa.types.is_struct(table.schema.field(key).type):
            raise DatasetError(f"{path} has no pictures in {key}, expected PNG files. Export again.")
        for row in table[key].to_pylist():
            yield from_png((row or {}).get("bytes") or b"")


def _in_colours(picture: np.ndarray) -> np.ndarray:
    """With three channels, which are equal in a grey one."""
    return np.broadcast_to(picture, (*picture.shape[:-1], 3))
