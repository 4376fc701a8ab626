import numpy as np

from spirl_ros.maze.layouts import FREE, TARGET, WALL, distances, parse_layout, random_layout, wall_boxes, ways_nearer

ROOMS = parse_layout(
    """
    #######
    #..#..#
    #.....#
    #..#..#
    #######
    """
)


def test_picture_of_a_maze_is_read_line_by_line_along_x() -> None:
    assert ROOMS.shape == (5, 7)
    assert ROOMS[1, 3] == WALL and ROOMS[2, 3] == FREE
    target = parse_layout(TARGET)
    assert target.shape == (42, 42) and target[10, 24] == target[18, 8] == FREE
    assert (target[[0, -1]] == WALL).all() and (target[:, [0, -1]] == WALL).all()


def test_ways_lead_through_doors() -> None:
    found = distances(ROOMS, (1, 1))
    # Down to the door, through it and up again: 1 + 4 + 1 cells to (1, 5); 3 + 1 + ... to its other side.
    assert (found[1, 1], found[2, 2], found[2, 4], found[1, 5]) == (0, 2, 4, 6)
    assert found[1, 3] == -1
    assert ways_nearer(found, (2, 4)) == [(2, 3)] and ways_nearer(found, (1, 1)) == []


def test_boxes_cover_the_walls_and_nothing_else() -> None:
    for layout in (ROOMS, parse_layout(TARGET), random_layout(20, np.random.default_rng(3))):
        covered = np.zeros_like(layout)
        for x, y, half_x, half_y in wall_boxes(layout):
            columns = slice(round(x - half_x + 0.5), round(x + half_x + 0.5))
            covered[columns, round(y - half_y + 0.5) : round(y + half_y + 0.5)] += 1
        np.testing.assert_array_equal(covered, layout)


def test_random_mazes_have_rooms_with_doors_and_repeat_by_their_seed() -> None:
    layouts = [random_layout(20, np.random.default_rng(seed)) for seed in range(20)]
    np.testing.assert_array_equal(layouts[4], random_layout(20, np.random.default_rng(4)))
    reached = []
    for layout in layouts:
        assert layout.shape == (22, 22) and 0.25 <= layout[1:-1, 1:-1].mean() < 0.35
        free = np.argwhere(layout == FREE)
        reached.append((distances(layout, tuple(free[0]))[layout == FREE] >= 0).mean())
    assert np.mean(reached) > 0.9 and len({layout.tobytes() for layout in layouts}) == 20
