"""Brings the pictures of recorded cameras into episodes, and refuses those that show nothing or stand still."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from spirl_ros.control.latest_pictures import LatestPictures
from spirl_ros.control.observation_fields import Field
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.formats.bag_cameras import CameraRecording, describe
from spirl_ros.demonstrations.picture_times import PictureTimes, pictures_of
from spirl_ros.errors import ConfigError, DatasetError, ObservationError

_NEVER_REFUSED_BYTES = 2**28
"""So much is taken without a look at how much memory is free."""


class RecordedPictures:
    """The pictures of one camera in one recording, as a field."""

    def __init__(self, recording: CameraRecording, taken: PictureTimes, described: Field) -> None:
        """Prepare; the recording has been looked through.

        Args:
            recording: what is read.
            taken: when each picture was.
            described: the field. Pictures of another size are resized to it.
        """
        self.recording, self.taken, self.described = recording, taken, described

    @property
    def sends(self) -> str:
        """What the camera sends and what becomes of it, for people."""
        native = self.recording.field
        assert native is not None
        shape = self.described.shape
        became = "" if native.shape == shape else f", resized to {shape[1]} x {shape[0]}"
        return describe(native.shape) + became

    def numbers_at(self, moments_ns: np.ndarray, max_age_s: float | None) -> np.ndarray:
        """Which pictures belong to observations of these moments, see `pictures_of`; raises DatasetError."""
        try:
            return pictures_of(moments_ns, self.taken, max_age_s)
        except DatasetError as error:
            raise DatasetError(f"{self.recording.path}: camera '{self.described.source}': {error}") from error

    def of_episodes(self, episodes: Sequence[Episode], numbers: Sequence[np.ndarray]) -> list[Episode]:
        """The episodes, each with the field; its pictures are in memory once, in the field's size.

        Args:
            episodes: of the recording.
            numbers: (T+1,) for each of them: which picture belongs to each observation.

        Raises:
            DatasetError: a picture is damaged, black, or stands still while the arm moves.
            ConfigError: they are more than fits into memory.
        """
        described = self.described
        _require_room(sum(map(len, numbers)), described)
        filled = [np.empty((len(chosen), *described.shape), np.uint8) for chosen in numbers]
        rows: dict[int, list[tuple[int, np.ndarray]]] = {}
        for index, chosen in enumerate(numbers):
            for number in np.unique(chosen).tolist():
                rows.setdefault(number, []).append((index, np.flatnonzero(chosen == number)))
        times_ns = dict(zip(self.taken.numbers.tolist(), self.taken.times_ns.tolist(), strict=True))
        seen = [LatestPictures((described,), None) for _ in episodes]
        for number, picture in self.recording.pictures(rows):
            fitting = resized(picture, described.shape)
            for index, places in rows[number]:
                self._require_seeing(seen[index], fitting, times_ns[number], episodes[index], int(places[0]))
                filled[index][places] = fitting
        return [_with_field(episode, described, pictures) for episode, pictures in zip(episodes, filled, strict=True)]

    def _require_seeing(
        self, seen: LatestPictures, picture: np.ndarray, time_ns: int, episode: Episode, step: int
    ) -> None:
        joints = len(episode.metadata.joint_names)
        try:
            seen.update(self.described.name, picture, time_ns, episode.observations[step, :joints])
        except ObservationError as error:
            raise DatasetError(
                f"{self.recording.path}: after {step / episode.metadata.control_rate_hz:.3f} s {error} Leave this "
                "recording out, or import without that camera: --cameras."
            ) from error


def resized(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A picture (H, W, C) in another height and width, its sides' ratio changed if need be.

    Where both sides become smaller by whole numbers, each pixel is the mean of those that it stands for; else Pillow's
    bilinear filter, which weighs all of these, too.
    """
    height, width, channels = shape
    if picture.shape == shape:
        return picture
    is_whole = picture.shape[0] % height == 0 and picture.shape[1] % width == 0
    image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
    smaller = image.resize((width, height), Image.Resampling.BOX if is_whole else Image.Resampling.BILINEAR)
    return np.asarray(smaller).reshape(shape)


def _with_field(episode: Episode, described: Field, pictures: np.ndarray) -> Episode:
    pictures.flags.writeable = False  # so that an Episode need not copy it
    metadata = replace(episode.metadata, more_fields=(*episode.metadata.more_fields, described))
    return replace(episode, fields={**episode.fields, described.name: pictures}, metadata=metadata)


def _require_room(count: int, described: Field) -> None:
    """A person who imports large pictures learns it before the computer stands still."""
    needed = count * int(np.prod(described.shape))
    if needed <= _NEVER_REFUSED_BYTES or (free := _free_bytes()) is None or needed <= free // 2:
        return
    raise ConfigError(
        f"{count} pictures of {described.shape[1]} x {described.shape[0]} of camera '{described.source}' take "
        f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free, which writing needs, too. Ask for smaller "
        "ones with --picture-size, or import fewer recordings."
    )


def _free_bytes() -> int | None:
    """Memory that can be had [bytes]; None where the system does not say it as Linux does."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    except OSError:
        return None
