from collections import Counter

from spirl_ros.commands import collection_bar
from spirl_ros.commands.collection_bar import CollectionBar
from spirl_ros.demonstrations.collect import Amount, CollectionProgress


def progress_of(episodes, steps):
    return CollectionProgress([None] * episodes, Counter(failed=1), kept_steps=steps)


def test_what_an_earlier_run_stored_is_no_part_of_the_rate(monkeypatch):
    """After --resume the bar began with a rate of thousands of episodes per second."""
    updates, made = [], []

    class RecordingBar(collection_bar.tqdm):
        def __init__(self, *args, **options):
            made.append(self)
            super().__init__(*args, **options)

        def update(self, n=1):
            updates.append(n)
            return super().update(n)

    monkeypatch.setattr(collection_bar, "tqdm", RecordingBar)
    with CollectionBar(Amount(500, 0)) as bar:
        for episodes in (400, 400, 401, 403):
            bar.show(progress_of(episodes, 200 * episodes))
    assert [made[0].initial, made[0].n] == [400, 403]
    assert updates == [0, 0, 1, 2]
    assert bar.episodes == 403


def test_total_is_what_the_wanted_steps_need(capsys):
    with CollectionBar(Amount(10, 8000)) as bar:
        bar.show(progress_of(4, 800))  # 200 steps each: 40 episodes for 8000 steps
        assert bar._bar is not None and bar._bar.total == 40
