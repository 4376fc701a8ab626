"""Mazes as grids of walls: those of tasks, and random ones to demonstrate in.

Cell (i, j) is the square of side 1 m about x = i, y = j. Random mazes are rooms with walls that have one door each, as
Pertsch et al. 2020 describe theirs.
"""

import numpy as np

WALL, FREE = 1, 0
_STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
_COVERAGE = 0.25
"""Share of a random maze's cells that become walls."""
_LENGTHS = (0.3, 0.5)
"""Of a random wall, as shares of the maze's side."""
_SPREADING = 20.0
"""How much a new wall keeps away from those that are there: the weight of a place is exp(-this * density of walls)."""

TARGET = """
##########################################
#..............#................#........#
#..#...........#...##.#.........#...#....#
#..#...#.......#.####.#########.#...#....#
#..#...#.......#...##.#.........#..###...#
#..#..###......#...#............#........#
#..#...........#...#.......#....#..###...#
#.###.###......#...##.#....#....#...#....#
#......#....#########.####.#....#...#....#
#.###..#.......#...##.#....#....#...#....#
#..#...#..#....#...#.......#....#...#....#
#..#...#..#....#...#.......#....#.#.#....#
#..#...#..#...###..#..###########.###....#
#..#...#..#.......###......#....#.#.#....#
#..#...#..#...###..........#....#...#.#..#
#..#...#..#....#..###......#...###....#..#
#..#...#..#........#.#.#...#..........#..#
#..#.....#############.###.#...###....#..#
#.........#........#.#.#..###...#.....#..#
#.........#........#..................#..#
#........###.#............###.........#..#
#..........#.###########...#.........###.#
#...#....###.#.................#.........#
#...#.....#....................#.....###.#
#...#.....#....................#......#..#
##.##.....#...#................#......#..#
##.#################...........#......#..#
##.###...#.#################...#......#..#
#........#.#..#................#......#..#
#..###........#..#.#...........#......#..#
#...#.......######.###########.#......#..#
#...#.........#..#.#...........#.........#
#...#.........#....#.#.........#.........#
#...#.......########.#######..###........#
#...#........###...#.#...................#
#...#.........................###........#
#...#........###..........#.#..#.........#
#.......#.#...#..##########.####.........#
#.#######.###########.....#.#..#.........#
#.......#.#...#................#.........#
#..............................#.........#
##########################################
"""
"""The paper's target maze, 40 x 40 cells with a border: a line is a row of x, # is a wall (D4RL's rand_layout, seed 0,
in the fork of the paper's authors)."""


def parse_layout(text: str) -> np.ndarray:
    """The grid (X, Y) of WALL and FREE that a picture of lines shows."""
    return np.array([[WALL if cell == "#" else FREE for cell in line] for line in text.split()], np.int8)


def random_layout(size: int, generator: np.random.Generator) -> np.ndarray:
    """A grid (size + 2, size + 2) with a border, whose every free cell can be reached from every other as a rule."""
    grid = np.zeros((size, size), np.int8)
    while grid.mean() < _COVERAGE:
        rows = grid.T if generator.random() < 0.5 else grid  # walls are laid along the rows of this view
        length = max(3, int(size * generator.uniform(*_LENGTHS)))
        density = _density(rows, 5, length)
        weight = np.exp(-_SPREADING * density).ravel()
        row, column = divmod(int(generator.choice(weight.size, p=weight / weight.sum())), density.shape[1])
        row += 2  # the wall is in the middle of the block that was looked at
        door = column + int(generator.integers(1, length - 1))
        rows[row, column : column + length] = WALL
        rows[row - 1 : row + 2, (door - 1, door + 1)] = WALL  # pillars: a door is one cell wide and three deep
        rows[row, door] = FREE
    return np.pad(grid, 1, constant_values=WALL)


def _density(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Share of walls in the block of this size that begins at each cell."""
    sums = np.pad(grid, ((1, 0), (1, 0))).cumsum(0, dtype=int).cumsum(1)
    blocks = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    return blocks / (height * width)


def distances(layout: np.ndarray, goal: tuple[int, int]) -> np.ndarray:
    """Cells on the shortest way from each cell to the goal, side by side; -1 where there is no way."""
    found = np.full(layout.shape, -1)
    found[goal] = 0
    front = [goal]
    while front:
        following = []
        for cell in front:
            for step in _STEPS:
                other = (cell[0] + step[0], cell[1] + step[1])
                if layout[other] == FREE and found[other] < 0:
                    found[other] = found[cell] + 1
                    following.append(other)
        front = following
    return found


def ways_nearer(layout_distances: np.ndarray, cell: tuple[int, int]) -> list[tuple[int, int]]:
    """Neighbours of a cell that are nearer to where the distances lead; none at the goal."""
    beside = ((cell[0] + dx, cell[1] + dy) for dx, dy in _STEPS)
    return [other for other in beside if 0 <= layout_distances[other] < layout_distances[cell]]


def wall_boxes(layout: np.ndarray) -> list[tuple[float, float, float, float]]:
    """The walls as few boxes: centre x, y and half sides x, y [m]."""
    runs: dict[tuple[int, int], list[int]] = {}
    for y, column in enumerate(layout.T):
        edges = np.flatnonzero(np.diff(np.pad(column, 1))).reshape(-1, 2)
        for begin, end in edges.tolist():
            runs.setdefault((begin, end), []).append(y)
    boxes = []
    for (begin, end), rows in runs.items():
        for block in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            x, y = 0.5 * (begin + end - 1), 0.5 * (block[0] + block[-1])
            boxes.append((x, float(y), 0.5 * (end - begin), 0.5 * len(block)))
    return boxes
