import numpy as np

from spirl_ros.monitoring.tool_paths import MOST_POINTS, ToolPaths, skill_colour


def add_line(paths: ToolPaths, skill_id: int, begin: float, steps: int) -> None:
    for step in range(steps):
        paths.add(skill_id, np.array([begin + 0.01 * step, 0.0, 1.0]))


def test_each_skill_has_a_way_and_ways_meet() -> None:
    paths = ToolPaths()
    add_line(paths, 1, 0.0, 3)
    add_line(paths, 2, 0.03, 2)
    first, second = paths.paths()
    assert (first.skill_id, second.skill_id) == (1, 2)
    np.testing.assert_allclose(first.points[:, 0], [0.0, 0.01, 0.02])
    np.testing.assert_allclose(second.points[:, 0], [0.02, 0.03, 0.04])
    assert first.colour != second.colour
    segments, colours = paths.segments()
    assert segments.shape == (4, 2, 3) and colours.shape == (4, 3)
    np.testing.assert_array_equal(segments[1:, 0], segments[:-1, 1])


def test_arm_at_rest_has_no_way() -> None:
    paths = ToolPaths()
    for _ in range(5):
        paths.add(1, np.array([0.3, 0.0, 1.0]) + 1e-4)
    assert paths.paths() == []
    assert paths.segments()[0].shape == (0, 2, 3)


def test_oldest_skills_and_oldest_points_are_forgotten() -> None:
    paths = ToolPaths(kept_skills=2)
    for skill_id in range(5):
        add_line(paths, skill_id, float(skill_id), MOST_POINTS + 50)
    assert [path.skill_id for path in paths.paths()] == [3, 4]
    assert all(len(path.points) == MOST_POINTS for path in paths.paths())
    paths.clear()
    assert paths.paths() == []


def test_neighbouring_skills_have_different_colours() -> None:
    colours = [np.array(skill_colour(skill_id)) for skill_id in range(200)]
    assert all(((0 <= colour) & (colour <= 1)).all() for colour in colours)
    for distance in (1, 2, 3):
        assert all(np.abs(a - b).max() > 0.3 for a, b in zip(colours, colours[distance:], strict=False))


def test_slots_of_ways_shown_at_once_differ_whatever_skills_were_missed() -> None:
    """They once were skill_id % 6: of skills 1, 7 and 13, all that is seen in lockstep, RViz showed one."""
    paths = ToolPaths()
    for index, skill_id in enumerate((1, 7, 13, 14, 20, 26, 32, 33)):
        add_line(paths, skill_id, 0.1 * index, 3)
        slots = [path.slot for path in paths.paths()]
        assert len(set(slots)) == len(slots) == min(index + 1, 6)
        assert max(slots) < 6
    before = {path.skill_id: path.slot for path in paths.paths()}
    add_line(paths, 39, 1.0, 3)
    after = {path.skill_id: path.slot for path in paths.paths()}
    assert after.pop(39) == before.pop(13)  # the new one takes the place of the oldest
    assert after == before
