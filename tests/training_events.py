"""Reads what a training wrote for TensorBoard, with TensorBoard's own reader: what `tensorboard --logdir` would
show."""

from pathlib import Path


def events_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every curve, by its name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in accumulator.Scalars(name)]
        for name in accumulator.Tags()["scalars"]
    }
