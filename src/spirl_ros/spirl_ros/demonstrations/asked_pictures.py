"""Which pictures an import takes from recordings, as the command's options say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spirl_ros.control.observation_fields import STATE, Field
from spirl_ros.demonstrations.formats.bag_cameras import Camera, cameras_in
from spirl_ros.demonstrations.formats.bag_messages import Recorded
from spirl_ros.errors import ConfigError, DatasetError

_ALL, _NONE = "all", "none"
_LARGEST_SIDE = 4096


@dataclass(frozen=True)
class AskedPictures:
    """What was asked for."""

    cameras: tuple[Camera, ...] | None = None
    """None where nothing was: those that a task observes, none of an arm's."""
    are_all: bool = False
    """Whether to take every camera that is recorded."""
    size: tuple[int, int] | None = None
    """Width and height in a dataset of an arm; None for the recorded ones."""
    max_age_s: float | None = None
    """How much older than its observation a picture may be [s]; None for what is usual, see picture_times."""
    may_lack: bool = False
    """Whether a task's pictures may be left out where none are recorded."""

    def of_task(self, observed: Sequence[Field], topics: Mapping[str, Recorded]) -> list[tuple[Camera, Field]]:
        """Cameras to read, each with the field that it fills, of a task that observes these pictures.

        Raises:
            ConfigError: the task observes none of such a camera, or its pictures have another size.
        """
        if self.size is not None and self.cameras != ():
            sizes = ", ".join(f"{one.shape[1]}x{one.shape[0]} of {one.source}" for one in observed) or "no pictures"
            raise ConfigError(f"--picture-size is for arms without a scene; this task observes {sizes}.")
        by_source = {one.source: one for one in observed}
        if self.cameras is None:
            is_there = cameras_in(topics)
            return [(Camera(name), one) for name, one in by_source.items() if name in is_there or not self.may_lack]
        if unknown := [camera.name for camera in self.cameras if camera.name not in by_source]:
            known = ", ".join(by_source) or "no camera"
            raise ConfigError(f"--cameras has '{unknown[0]}', but the task observes {known}.")
        return [(camera, by_source[camera.name]) for camera in self.cameras]

    def of_arm(self, topics: Mapping[str, Recorded]) -> tuple[Camera, ...]:
        """Cameras to read from a recording of an arm.

        Raises:
            DatasetError: all were asked for, and there are none.
        """
        if not self.are_all:
            return self.cameras or ()
        found = tuple(Camera(name) for name in sorted(cameras_in(topics)))
        if not found:
            raise DatasetError(
                "there is no topic camera/NAME/image_raw or camera/NAME/image_raw/compressed with pictures. Name "
                "cameras on others: --cameras NAME=TOPIC."
            )
        for camera in found:
            _require_name(camera.name)
        return found


AS_USUAL = AskedPictures()
"""Where nothing was asked for."""


def asked_pictures(cameras: str | None, size: str | None, max_age_s: float | None) -> AskedPictures:
    """What options of a command ask for.

    Args:
        cameras: names, each with `=TOPIC` where it is on another topic than `camera/NAME/image_raw`, separated by
            commas; `all`, `none`, or None where nothing was asked for.
        size: WIDTHxHEIGHT, or None.
        max_age_s: as in AskedPictures.

    Raises:
        ConfigError: an option that means nothing.
    """
    if max_age_s is not None and not 0.0 <= max_age_s <= 10.0:
        raise ConfigError(f"--max-picture-age is {max_age_s:g}, expected 0 to 10 s.")
    asked = AskedPictures(size=None if size is None else _size(size), max_age_s=max_age_s)
    if cameras is None:
        return asked
    if cameras in (_ALL, _NONE):
        are_all = cameras == _ALL
        return AskedPictures(None if are_all else (), are_all, asked.size, max_age_s)
    named = tuple(Camera(*(part.strip() for part in entry.split("=", 1))) for entry in cameras.split(","))
    for camera in named:
        _require_name(camera.name)
    if len({camera.name for camera in named}) < len(named):
        raise ConfigError(f"--cameras is '{cameras}', expected each camera once.")
    return AskedPictures(named, False, asked.size, max_age_s)


def _require_name(name: str) -> None:
    """A dataset's field has the name of its camera."""
    if not name.isidentifier() or name == STATE:
        raise ConfigError(
            f"camera '{name:.80}' cannot name a field, expected letters, digits and _, and not '{STATE}'. Name it "
            "otherwise: --cameras NAME=TOPIC."
        )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < min(int(width), int(height)) <= _LARGEST_SIDE):
        raise ConfigError(f"--picture-size is '{text:.80}', expected WIDTHxHEIGHT in pixels, such as 64x64.")
    if max(int(width), int(height)) > _LARGEST_SIDE:
        raise ConfigError(f"--picture-size is '{text:.80}', expected at most {_LARGEST_SIDE} pixels a side.")
    return int(width), int(height)
