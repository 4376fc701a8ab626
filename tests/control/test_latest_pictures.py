"""Which picture of a camera belongs to a state, and pictures that are of no use."""

import numpy as np
import pytest

from spirl_ros.control.latest_pictures import LatestPictures
from spirl_ros.control.observation import LatestObservation
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.errors import ObservationError

EYE = Field("eye", (1, 2, 1), PICTURE, source="wrist")
SIDE = Field("side", (1, 2, 1), PICTURE, source="table")
SPEEDS = Field("speeds", (2,), names=("door_v", "arm_v"), units=("1", "1"))
MS = 1_000_000
AT = np.zeros(2)


def picture(value: int) -> np.ndarray:
    return np.full(EYE.shape, value, np.uint8)


def test_in_lockstep_a_picture_is_of_the_very_moment() -> None:
    pictures = LatestPictures((EYE, SIDE), None)
    pictures.update("eye", picture(1), 10 * MS, AT)
    pictures.update("side", picture(2), 10 * MS, AT)
    pictures.update("eye", picture(3), 20 * MS, AT)
    found = pictures.of_moment(10 * MS)
    assert found is not None and found["eye"][0, 0, 0] == 1 and found["side"][0, 0, 0] == 2
    assert pictures.of_moment(20 * MS) is None
    assert pictures.why_none(20 * MS) == (
        "a newer picture of camera 'table': its last one is 0.010 s older than the arm's state, expected of the same "
        "moment"
    )
    assert pictures.why_none(10 * MS) == ""


@pytest.mark.parametrize(("age_ms", "used"), [(0, 2), (50, 2), (51, None), (-50, 2), (-51, 1), (-151, None)])
def test_in_realtime_the_newest_picture_counts_that_is_not_too_old(age_ms: int, used: int | None) -> None:
    pictures = LatestPictures((EYE,), 0.05)
    assert pictures.why_none(0) == "a picture of camera 'wrist'"
    pictures.update("eye", picture(1), 400 * MS, AT)
    pictures.update("eye", picture(2), 500 * MS, AT)
    found = pictures.of_moment((500 + age_ms) * MS)
    assert (None if found is None else found["eye"][0, 0, 0]) == used
    assert bool(pictures.why_none((500 + age_ms) * MS)) == (used is None)


def test_black_picture_is_refused_and_so_are_those_before() -> None:
    pictures = LatestPictures((EYE,), 1.0)
    pictures.update("eye", picture(1), 0, AT)
    with pytest.raises(ObservationError, match=r"camera 'wrist' shows nothing but black. Uncover it"):
        pictures.update("eye", picture(0), 100 * MS, AT)
    assert pictures.of_moment(100 * MS) is None
    pictures.update("eye", picture(2), 200 * MS, AT)
    assert pictures.of_moment(200 * MS) is not None


@pytest.mark.parametrize(("moved", "is_frozen"), [(0.04, False), (0.06, True), (-0.06, True)])
def test_camera_that_shows_the_same_while_the_arm_moves_is_frozen(moved: float, is_frozen: bool) -> None:
    pictures = LatestPictures((EYE,), 1.0)
    pictures.update("eye", picture(1), 0, None)
    places = np.linspace(AT, [0.0, moved], 13)
    for step in range(12):
        pictures.update("eye", picture(1), (step + 1) * 80 * MS, places[step])
    if is_frozen:
        with pytest.raises(ObservationError, match=r"same picture for 1.0 s while the arm moved. Start its driver"):
            pictures.update("eye", picture(1), 1040 * MS, places[12])
    else:
        pictures.update("eye", picture(1), 1040 * MS, places[12])
    assert (pictures.of_moment(1040 * MS) is None) == is_frozen
    pictures.update("eye", picture(2), 1100 * MS, places[12])
    assert pictures.of_moment(1100 * MS) is not None


def test_pictures_of_a_simulator_that_began_anew_are_no_older_ones() -> None:
    pictures = LatestPictures((EYE,), 1.0)
    pictures.update("eye", picture(1), 5000 * MS, AT)
    pictures.update("eye", picture(2), 10 * MS, AT + 1.0)
    found = pictures.of_moment(0)
    assert found is not None and found["eye"][0, 0, 0] == 2
    assert pictures.of_moment(5000 * MS) is None


def test_observation_is_whole_with_the_picture_of_its_moment_whichever_comes_first() -> None:
    newest = LatestObservation(("arm", "arm_v"), ("door_v",), vectors=(SPEEDS,), pictures=LatestPictures((EYE,), None))

    def state(stamp_ns: int, received_s: float) -> None:
        newest.update_joint_state(("arm_v", "arm"), (2.0, 1.0), stamp_ns, received_s, may_go_back=True)
        newest.update_scene_state(("door_v",), (3.0,), stamp_ns, received_s, may_go_back=True)

    state(10 * MS, 1.0)
    assert newest.measured_ns == -1 and newest.lacking() == "a picture of camera 'wrist'"
    newest.update_picture("eye", picture(1), 10 * MS, 1.5)
    assert (newest.measured_ns, newest.age_s(2.0), newest.lacking()) == (10 * MS, 0.5, "")
    observation = newest.observation
    assert observation["state"].tolist() == [1.0, 2.0, 3.0] and observation["speeds"].tolist() == [3.0, 2.0]
    assert observation["eye"][0, 0, 0] == 1
    newest.update_picture("eye", picture(4), 20 * MS, 2.0)
    assert newest.measured_ns == 10 * MS and newest.observation["eye"][0, 0, 0] == 1
    state(20 * MS, 2.5)
    assert newest.measured_ns == 20 * MS and newest.observation["eye"][0, 0, 0] == 4


def test_vector_that_nothing_measures_is_refused() -> None:
    with pytest.raises(ObservationError, match="speeds has door_v, which the state lacks"):
        LatestObservation(("arm", "arm_v"), (), vectors=(SPEEDS,))
