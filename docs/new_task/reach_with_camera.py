"""The same task with a camera: a picture that MuJoCo draws is observed beside the state. See new_task.md."""

from reach_task import ReachFamily

from spirl_ros.control.observation_fields import PICTURE, STATE, Field


class SeenReachFamily(ReachFamily):
    name = "reach_seen"
    more_fields = (Field("view", (64, 64, 3), PICTURE, source="above"),)
    seen_by_prior = seen_by_policy = (STATE, "view")


SEEN_REACH = SeenReachFamily()
