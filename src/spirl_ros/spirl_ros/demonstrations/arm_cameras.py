"""A camera beside an arm: its pictures, with their times on the arm's clock, as a field."""

from collections.abc import Mapping

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.asked_pictures import AskedPictures
from spirl_ros.demonstrations.formats.bag_cameras import Camera, CameraRecording, describe
from spirl_ros.demonstrations.formats.bag_messages import BagMessages
from spirl_ros.demonstrations.picture_times import USUAL_AGE_S, ArmTimes, times_beside_arm
from spirl_ros.demonstrations.recorded_pictures import RecordedPictures
from spirl_ros.errors import DatasetError


def arm_camera(
    messages: BagMessages, camera: Camera, arm: ArmTimes, asked: AskedPictures, before: Mapping[str, Field]
) -> RecordedPictures:
    """The pictures of a camera in a recording.

    Args:
        messages: of the recording.
        camera: whose.
        arm: when the arm's states were measured.
        asked: which size.
        before: fields by name, as other recordings of the dataset have them.

    Raises:
        DatasetError: there are none, they cannot be used, or they give another field than before.
    """
    recording = CameraRecording(messages, camera)
    shots = recording.shots()
    longest_s = USUAL_AGE_S if asked.max_age_s is None else asked.max_age_s
    taken = times_beside_arm([one.stamped for one in shots], [one.checksum for one in shots], arm, longest_s)
    assert recording.field is not None
    height, width, channels = recording.field.shape
    if asked.size is not None:
        width, height = asked.size
    described = Field(camera.name, (height, width, channels), PICTURE, source=camera.name)
    known = before.get(camera.name, described)
    if described != known:
        raise DatasetError(
            f"{messages.path}: camera '{camera.name}' gives {describe(described.shape)}, but {describe(known.shape)} "
            "in the recordings before. Import them apart, or, where they differ in size alone, with --picture-size."
        )
    return RecordedPictures(recording, taken, described)
