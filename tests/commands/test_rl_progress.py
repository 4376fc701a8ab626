"""What a person sees of a learning run."""

import pytest

pytest.importorskip("torch", reason="learning needs torch")

from spirl_ros.commands.rl_progress import RlProgress  # noqa: E402 - after the check for torch
from spirl_ros.rl.config import RlTrainingConfig  # noqa: E402
from spirl_ros.rl.training import EpisodeReport, RlReport  # noqa: E402


def report(step: int, decisions: int, updates: int, **changes) -> RlReport:
    return RlReport(step, decisions, updates, (), 1.5, None)._replace(**changes)


def test_updates_on_demonstrations_are_counted_before_control_steps(capsys):
    """The bar stood at 0 of 60,000 control steps for the minutes of 5,000 updates."""
    with RlProgress(RlTrainingConfig(steps=60_000, offline_updates=5000)) as progress:
        progress.show(report(0, 0, 50))
        progress.show(report(0, 0, 5000))
        progress.close()
        first = capsys.readouterr().err
        progress.show(report(20, 2, 5000))
        progress.show(report(30_000, 3000, 11_000, is_evaluation=True, episodes=(EpisodeReport(4.0, 4, 4),)))
    second = capsys.readouterr().err
    assert "updates on demonstrations" in first and "5000/5000" in first and "60000" not in first
    assert "30000/60000" in second and "mean action=4.00" in second
    assert progress.step == 30_000


def test_a_resumed_run_begins_where_it_is(capsys):
    with RlProgress(RlTrainingConfig(steps=1000)) as progress:
        progress.show(report(400, 40, 5100))
    assert "400/1000" in capsys.readouterr().err


def test_without_demonstrations_only_control_steps_are_counted(capsys):
    with RlProgress(RlTrainingConfig(steps=1000, demos_in_replay=False)) as progress:
        progress.show(report(0, 0, 0))
    assert "updates on demonstrations" not in capsys.readouterr().err
