import numpy as np

from spirl_ros.maze.layouts import parse_layout
from spirl_ros.maze.picture import PIXELS, SIDE_M, draw, padded

WALL_COLOUR, FLOOR_COLOUR, POINT_COLOUR = (178, 128, 76), (38, 64, 89), (50, 230, 76)
# x runs down the lines, y along them.
ROOM = padded(
    parse_layout(
        """
        #########
        #.......#
        #.......#
        #.......#
        #.......#
        #.......#
        #.......#
        #.......#
        #########
        """
    )
)
PER_M = PIXELS / SIDE_M


def test_point_is_in_the_middle_and_the_floor_around_it() -> None:
    picture = draw(ROOM, np.array([4.0, 4.0]))
    assert picture.shape == (PIXELS, PIXELS, 3) and picture.dtype == np.uint8
    np.testing.assert_allclose(picture[PIXELS // 2, PIXELS // 2], POINT_COLOUR, atol=10)
    assert tuple(picture[0, 0]) == tuple(picture[-1, -1]) == FLOOR_COLOUR


def test_walls_stand_right_of_a_point_at_large_x_and_above_one_at_large_y() -> None:
    right, above = draw(ROOM, np.array([7.0, 4.0])), draw(ROOM, np.array([4.0, 7.0]))
    assert tuple(right[PIXELS // 2, -1]) == WALL_COLOUR and tuple(right[PIXELS // 2, 0]) == FLOOR_COLOUR
    assert tuple(above[0, PIXELS // 2]) == WALL_COLOUR and tuple(above[-1, PIXELS // 2]) == FLOOR_COLOUR


def test_pixel_that_a_wall_covers_in_part_has_that_share_of_its_colour() -> None:
    """The wall begins 0.5 m right of the point at x = 7, whole pixels and a part of one further."""
    for position in (7.0, 7.03, 6.81):
        row = draw(ROOM, np.array([position, 4.0]))[2, :, 0].astype(float)
        share = (row - FLOOR_COLOUR[0]) / (WALL_COLOUR[0] - FLOOR_COLOUR[0])
        begins = (7.5 - position + SIDE_M / 2.0) * PER_M
        expected = np.clip(np.arange(PIXELS) + 1.0 - begins, 0.0, 1.0)
        np.testing.assert_allclose(share, expected, atol=0.004)
