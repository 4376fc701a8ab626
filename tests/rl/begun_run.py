"""A run in which nothing was learned yet, with all that its learner exports first: that takes a process 7 s."""

from collections.abc import Sequence
from pathlib import Path

from spirl_ros.rl.learner import new_learner
from spirl_ros.rl.learner_process import open_run
from spirl_ros.rl.policy_graph import PolicyGraph


def begin_run(out: Path, skills: Path, changes: Sequence[str]) -> Path:
    """Begin a run of skills in a folder; returns that."""
    run = open_run(out, skills, None, "best", list(changes))
    sac = new_learner(run).sac
    PolicyGraph(run, sac.sight, sac.policy)
    return out
