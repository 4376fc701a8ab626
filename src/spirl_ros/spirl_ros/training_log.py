"""What a training writes down as it goes: lines of metrics, and the same figures as TensorBoard events beside them."""

from collections.abc import Mapping
from types import TracebackType

from spirl_ros.training_folder import TrainingFolder


class TrainingLog:
    """Writes to a training's folder; `tensorboard --logdir FOLDER` shows it. A context manager."""

    def __init__(self, folder: TrainingFolder, step: int, updates: int | None = None) -> None:
        """Go on after a step of the training: what was written of later ones is dropped, because it comes again.

        See TrainingFolder.keep_metrics_until.
        """
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        folder.keep_metrics_until(step, updates)
        self._folder = folder
        self._events = SummaryWriter(folder.folder, purge_step=step + 1)

    def __enter__(self) -> "TrainingLog":
        """Use it while a block runs."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have everything on the disk."""
        self._events.close()

    def add(self, part: str, counts: Mapping[str, float], **figures: float) -> None:
        """Write a line of metrics, and an event `part/name` for each figure that is a number and no truth value.

        Args:
            part: of the training, such as episode or update.
            counts: how far it is; `step` is where events stand.
            figures: what was found.
        """
        self._folder.append_metrics({**counts, "part": part, **figures})
        for name, value in figures.items():
            if not isinstance(value, bool):
                self.add_event(f"{part}/{name}", value, counts["step"])

    def add_event(self, name: str, value: float, step: float) -> None:
        """Write an event alone: for what can be computed from the lines."""
        self._events.add_scalar(name, value, int(step))

    def flush(self) -> None:
        """Have the events so far on the disk; by themselves they get there within two minutes."""
        self._events.flush()
