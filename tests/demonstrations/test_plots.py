from dataclasses import replace

import pytest

pytest.importorskip("matplotlib")

from PIL import Image

from spirl_ros import plotting
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import EpisodeMetadata
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.operator_style import OperatorStyle
from spirl_ros.demonstrations.plots import (
    draw_actions,
    draw_episode_lengths,
    draw_subtasks,
    draw_tool_paths,
    write_plots,
)
from spirl_ros.errors import PlotError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import INITIAL_POSITIONS
from tests.demonstrations.small_dataset import make_dataset, make_episode


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    metadata = replace(robot_metadata(KITCHEN.robot), operator="scripted")
    completed = ({"kettle": 1, "microwave": 3}, {"kettle": 2}, {})
    episodes = []
    for steps, done in zip((3, 4, 8), completed, strict=True):
        observations = INITIAL_POSITIONS + 0.01 * make_episode(steps, steps, metadata).observations
        episode = make_episode(steps, steps, metadata, observations=observations)
        episodes.append(replace(episode, metadata=replace(episode.metadata, completed_at_step=done)))
    return Dataset(tuple(episodes), "kitchen")


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_four_pictures_are_written(dataset, tmp_path):
    paths = write_plots(dataset, tmp_path / "new" / "plots")
    assert sorted(path.name for path in (tmp_path / "new" / "plots").iterdir()) == sorted(path.name for path in paths)
    assert [path.name for path in paths] == ["episode_lengths.png", "subtasks.png", "actions.png", "tool_paths.png"]
    for path in paths:
        with Image.open(path) as image:
            assert image.width >= 600
            assert len(set(image.convert("L").tobytes())) > 10  # not blank


def test_lengths_are_counted(dataset):
    figure = draw_episode_lengths(dataset)
    axes = figure.axes[0]
    assert texts(figure) == [" median 4"]
    assert axes.get_title() == "Length of 3 episodes, 15 control steps in all"
    assert sum(bar.get_height() for bar in axes.patches) == 3  # pyright: ignore[reportAttributeAccessIssue]


def test_subtasks_are_counted_by_place_and_per_episode(dataset):
    by_place, per_episode = draw_subtasks(dataset).axes
    widths = [[bar.get_width() for bar in place] for place in by_place.containers]  # pyright: ignore
    # Rows: bottom burner, top burner, light switch, slide cabinet, hinge cabinet, microwave, kettle.
    assert widths == [[0, 0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 1, 0]]
    assert [bar.get_height() for bar in per_episode.patches] == [1, 1, 1, 0, 0, 0, 0, 0]  # pyright: ignore
    labels = [label.get_text() for label in by_place.get_yticklabels()]
    assert labels == [
        "bottom burner *",
        "top burner",
        "light switch *",
        "slide cabinet",
        "hinge cabinet",
        "microwave *",
        "kettle *",
    ]


def test_each_joint_has_its_actions_in_percent(dataset):
    axes = draw_actions(dataset).axes
    assert len(axes) == 9
    for one in axes:
        intended = [bar.get_height() for bar in one.containers[0]]  # pyright: ignore
        assert sum(intended) == pytest.approx(100.0)
    assert axes[8].get_title() == "panda0_finger_joint2 [2 m/s]"


def test_paths_change_colour_where_a_subtask_is_completed(dataset):
    above, front = draw_tool_paths(dataset).axes
    lengths = [len(line.get_xdata()) for line in above.lines]  # pyright: ignore
    # Episode of 3 steps: kettle after step 1, microwave after step 3, nothing more; each part ends where the next
    # begins.
    assert lengths[:4] == [2, 3, 1, 1]
    assert above.lines[0].get_color().tolist() != above.lines[1].get_color().tolist()  # pyright: ignore
    assert len(front.lines) == len(above.lines)


def test_dataset_without_any_subtask_is_drawn(dataset, tmp_path):
    assert len(write_plots(Dataset(dataset.episodes[2:], "kitchen"), tmp_path)) == 4


@pytest.mark.parametrize("joints", [1, 2, 6, 7])
def test_of_another_robot_lengths_and_actions_are_drawn(tmp_path, joints):
    names = tuple(f"joint_{number}" for number in range(joints))
    metadata = EpisodeMetadata((), "ann", 20.0, names, names, ("rad",) * joints, 1.0)
    other = make_dataset(metadata=metadata)
    assert [path.name for path in write_plots(other, tmp_path)] == ["episode_lengths.png", "actions.png"]
    axes = draw_actions(other).axes
    assert [one.get_title() for one in axes] == [f"{name} [1 rad/s]" for name in names]
    assert [one.get_xlabel() for one in axes] == [""] * (joints - 3) + ["action"] * min(joints, 3)


def test_noise_is_named_only_where_some_was_injected(dataset):
    """Recordings of an arm were labelled as if noise had been added to what it did."""
    for style, label in ((None, "executed"), (OperatorStyle(action_noise=0.2), "executed, with injected noise")):
        episodes = tuple(replace(e, metadata=replace(e.metadata, operator_style=style)) for e in dataset.episodes)
        (legend,) = draw_actions(Dataset(episodes, "kitchen")).legends
        assert [text.get_text() for text in legend.get_texts()] == [label, "intended"][::-1]


def test_failed_write_leaves_the_old_picture(dataset, tmp_path, monkeypatch):
    (tmp_path / "episode_lengths.png").write_text("old")

    def half(figure, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plotting, "_save", half)
    with pytest.raises(PlotError, match="episode_lengths.png cannot be written.*No space"):
        write_plots(dataset, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
