import json

import numpy as np
import pytest

from spirl_ros.errors import TrainingError
from spirl_ros.rl.learning_curve import mean_and_spread, read_kept_curve, read_learning_curve, write_kept_curve


def write(path, ordered: list[float]) -> None:
    rows = [
        {"step": 10 * (i + 1), "seconds": i + 1.0, "part": "episode", "ordered": value, "completed": value + 1}
        for i, value in enumerate(ordered)
    ]
    rows.append({"step": 10 * len(ordered), "seconds": 99.0, "part": "evaluation", "ordered": 3.5, "completed": 3.5})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 1')


def test_thresholds_are_reached_by_the_mean_of_twenty_episodes(tmp_path):
    write(tmp_path / "m", [0.0] * 20 + [4.0] * 20)
    curve = read_learning_curve(tmp_path / "m")
    assert curve.reaches(2.5) == (330.0, 33.0)  # 13 of 20 with 4 subtasks: 2.6
    assert curve.reaches(4.0) == (400.0, 40.0)
    assert curve.reaches(4.1) == (np.inf, np.inf)
    assert curve.last() == (4.0, 5.0)
    assert curve.until(200).last() == (0.0, 1.0)
    assert curve.evaluations.tolist() == [[400.0, 3.5]]
    assert len(curve.until(399).evaluations) == 0


def test_a_collapse_is_what_the_last_fifty_episodes_lost(tmp_path):
    write(tmp_path / "m", [1.0] * 10 + [3.0] * 50 + [2.0] * 50)
    assert read_learning_curve(tmp_path / "m").drop() == pytest.approx(1.0)
    write(tmp_path / "m", [1.0] * 49)
    assert np.isnan(read_learning_curve(tmp_path / "m").drop())


def test_seeds_are_summarised():
    assert mean_and_spread([1.0, 3.0]) == "2.00 ± 1.41"
    assert mean_and_spread([1.5]) == "1.50"
    assert mean_and_spread([1.0, np.inf]) == "not in every seed"
    assert mean_and_spread([np.inf, np.inf]) == "never"


def test_kept_curve_is_the_curve(tmp_path):
    write(tmp_path / "m", [0.0, 1.0, 4.0])
    curve = read_learning_curve(tmp_path / "m")
    write_kept_curve(tmp_path / "kept" / "seed_0.csv", curve, {"commit": "abc"})
    found, origin = read_kept_curve(tmp_path / "kept" / "seed_0.csv")
    assert origin == {"commit": "abc"}
    for values, expected in zip(found, curve, strict=True):
        np.testing.assert_array_equal(values, expected)


def test_another_file_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="cannot be used"):
        read_learning_curve(tmp_path / "missing")
    (tmp_path / "m").write_text('{"a": 1}\n')
    for read in (read_learning_curve, read_kept_curve):
        with pytest.raises(TrainingError, match="cannot be used"):
            read(tmp_path / "m")
