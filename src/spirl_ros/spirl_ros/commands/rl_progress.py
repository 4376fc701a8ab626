"""Shows how far reinforcement learning is: updates on demonstrations, then control steps, each with a bar."""

import sys

from tqdm import tqdm

from spirl_ros.rl.config import RlTrainingConfig
from spirl_ros.rl.training import RlReport


class RlProgress:
    """The bar of what is under way. A context manager; `show` takes each report in."""

    def __init__(self, config: RlTrainingConfig) -> None:
        """Show nothing before the first report, which says where an earlier call stopped."""
        self._config = config
        self._bar: tqdm | None = None
        self._is_offline = False
        self._updates_before = 0
        self.step = 0
        """Control steps so far."""
        self.evaluation: RlReport | None = None
        """The last evaluation."""

    def __enter__(self) -> "RlProgress":
        """Use it while a block runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self.close()

    def show(self, report: RlReport) -> None:
        """Take a report in."""
        config, self.step = self._config, report.step
        if report.is_evaluation:
            self.evaluation = report
        is_offline = report.decisions == 0 and not report.is_evaluation and config.demos_in_replay
        if is_offline:
            bar = self._bar_for(report, True, config.offline_updates, report.updates)
            bar.set_description("updates on demonstrations", refresh=False)
            figures = {}
        else:
            bar = self._bar_for(report, False, config.steps, report.step)
            figures = {"recent": f"{report.recent:.2f}", "updates": str(report.updates)}
        if self.evaluation is not None:
            figures["mean action"] = f"{self.evaluation.ordered_mean:.2f}"
        if report.info is not None:
            figures |= {"divergence": f"{report.info.cost:.1f}", "temperature": f"{report.info.temperature:.4f}"}
            figures["value"] = f"{report.info.value:.2f}"
        elapsed = bar.format_dict["elapsed"]
        if elapsed > 0.0 and not is_offline:
            figures["updates/s"] = f"{(report.updates - self._updates_before) / elapsed:.1f}"
        bar.set_postfix(figures, refresh=False)
        bar.update((report.updates if is_offline else report.step) - bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _bar_for(self, report: RlReport, is_offline: bool, total: int, done: int) -> tqdm:
        """The bar of this phase; at its first report what is done counts for no rate, it may be an earlier call's."""
        if self._bar is None or self._is_offline != is_offline:
            self.close()
            seconds_between_prints = 0.2 if sys.stderr.isatty() else 10.0
            unit = "update" if is_offline else "step"
            self._bar = tqdm(total=total, initial=done, unit=unit, mininterval=seconds_between_prints)
            self._is_offline, self._updates_before = is_offline, report.updates
        return self._bar
