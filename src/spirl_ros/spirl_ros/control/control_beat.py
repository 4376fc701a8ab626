"""When a control step is due on an arm that has a time of its own, as a simulated one."""


class ControlBeat:
    """Counts control periods by the stamps of states. A step is due once: when the state at its beginning is there.

    Not thread-safe.
    """

    def __init__(self, period_ns: int) -> None:
        """Nothing is due before `begin`; a control step lasts so long [ns]."""
        self._period_ns = period_ns
        self._due_ns: int | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it is known when the next step is due."""
        return self._due_ns is not None

    def begin(self, due_ns: int | None) -> None:
        """The next step is due at this time [ns]; None ends the beat."""
        self._due_ns = due_ns

    def is_due(self, measured_ns: int, task_ns: int | None) -> bool:
        """Whether the next step is due.

        Args:
            measured_ns: stamp of the newest state [ns].
            task_ns: stamp of the newest task status [ns]: a command sent before it would count to the step before in a
                recording. None without a task.
        """
        due_ns = self._due_ns
        return due_ns is not None and measured_ns >= due_ns and (task_ns is None or task_ns >= due_ns)

    def make_step(self, measured_ns: int) -> int:
        """The step is made on a state of this stamp [ns]; returns how many were missed before it.

        A step made once more on the state of the last one changes nothing.
        """
        assert self._due_ns is not None
        missed = (measured_ns - self._due_ns) // self._period_ns
        self._due_ns += (1 + missed) * self._period_ns
        return max(missed, 0)
