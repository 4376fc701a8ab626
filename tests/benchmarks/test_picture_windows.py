"""The benchmark of windows with a picture, on few of them."""

from benchmarks.picture_windows import measure_pictures


def test_pictures_are_counted_and_take_their_own_size() -> None:
    figures = measure_pictures(2, pictures=1999)
    assert figures.pictures == 1800  # whole episodes of 200
    assert figures.read_per_s > 0 and figures.drawn_per_s > 0
    size = 64 * 64 * 3
    assert size < figures.memory_bytes < 1.2 * size
    assert figures.file_mb < 1800 * size / 1e6
    assert "| drawn, batches of 128 windows |" in figures.table()
