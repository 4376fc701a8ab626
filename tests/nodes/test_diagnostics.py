"""What every node says of itself on /diagnostics: rates, ages, what was missed, what is loaded, and why it is not
well."""

import re

import pytest

pytest.importorskip("spirl_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from tests.nodes.kitchen_bundle import write_kitchen_bundle

KEYS = {
    "mujoco_sim": {
        *("joint states [Hz]", "commands [Hz]", "command age [s]", "real-time factor", "worst lateness [ms]"),
        "missed ticks",
    },
    "skill_executor": {
        "skills waiting",
        *("bundle", "bundle digest", "commands [Hz]", "control rate asked for [Hz]", "joint states [Hz]"),
        *("observation age [s]", "interventions", "lateness p99 [ms]", "tick to command p99 [ms]", "missed ticks"),
    },
    "skill_policy": {"bundle", "skills [Hz]", "skills that came late", "divergence from the prior [nats]"},
    "recorder": {"messages [Hz]", "waiting for the disk [MB]", "free space [MB]", "lost messages"},
    "monitor": {"viewers", "orders waiting"},
    "scene_markers": {"listeners", "bundle", "marker arrays [Hz]"},
    "scripted_operator": {"observation age [s]", "missed control steps", "commands [Hz]"},
    "teleop": {"joint state age [s]", "interventions", "missed control steps", "commands [Hz]"},
    "stand_in_arm": {"joint states [Hz]", "commands [Hz]", "command age [s]", "worst lateness [ms]", "missed ticks"},
}
MISSED = r"missed ticks in the last second: \d+"
MESSAGES = {
    "mujoco_sim": ("simulating", rf"{MISSED}|too slow for real time: factor 0\.\d\d"),
    "skill_executor": ("idle|executing", rf"{MISSED}|commands that the safety filter changed in the last second: \d+"),
    "skill_policy": (
        "acting|waiting",
        r"skills that came late in the last second: \d+; the arm came to rest before them",
    ),
    "recorder": ("idle|recording", r"\d+ messages were lost on the way"),
    "monitor": ("nobody looks", ""),
    "scene_markers": ("nobody listens", ""),
}
"""What a healthy graph says: at level OK, and at a worse one where other work takes the machine."""


@pytest.fixture
def reports(client) -> dict[str, DiagnosticStatus]:
    """The newest status of each node, by its name."""
    newest: dict[str, DiagnosticStatus] = {}

    def note(array: DiagnosticArray) -> None:
        newest.update({status.name.partition(":")[0]: status for status in array.status})

    client.create_subscription(DiagnosticArray, "/diagnostics", note, 50)
    return newest


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {value.key: value.value for value in status.values}


def test_every_node_of_a_graph_tells_its_figures_and_a_reason(client, start_here, reports, tmp_path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "bundle")
    start_here("mujoco_sim", max_steps=40)
    start_here("skill_executor", bundle=bundle, max_age_s=1.0, max_missed=12)  # tests share their machine
    start_here("skill_policy", bundle=bundle, source="prior", latent="sample", start="at_once")
    start_here("recorder", folder=tmp_path / "recordings", min_free_mb=0.0)
    start_here("monitor", port=0)
    start_here("scene_markers", bundle=bundle)
    names = ("mujoco_sim", "skill_executor", "skill_policy", "recorder", "monitor", "scene_markers")

    def told() -> bool:
        return all(name in reports and values_of(reports[name]).keys() >= KEYS[name] for name in names)

    client.wait_for(told, f"the figures of {names}", deadline_s=60.0)
    client.wait_for(
        lambda: float(values_of(reports["skill_executor"])["commands [Hz]"]) > 0.0, "commands", deadline_s=60.0
    )
    for name, (well, busy) in MESSAGES.items():
        status = reports[name]
        assert re.fullmatch(well if status.level == DiagnosticStatus.OK else busy, status.message), status


def test_operators_and_a_stand_in_arm_tell_theirs(client, start_here, reports) -> None:
    start_here("mujoco_sim")
    start_here("scripted_operator")
    start_here("teleop", keyboard="none")
    start_here("stand_in_arm", "-r", "__ns:=/other")
    for name in ("scripted_operator", "teleop", "other/stand_in_arm"):
        keys = KEYS[name.rpartition("/")[2]]
        client.wait_for(
            lambda name=name, keys=keys: name in reports and values_of(reports[name]).keys() >= keys,
            f"the figures of {name}",
            deadline_s=60.0,
        )


def test_short_disk_is_warned_of_before_recording_ends(client, start_here, reports, tmp_path) -> None:
    """Twice what must stay free is the time to act: recording itself goes on."""
    import shutil

    free_mb = shutil.disk_usage(tmp_path).free / 1e6
    start_here("recorder", folder=tmp_path / "recordings", min_free_mb=free_mb / 1.5)
    client.wait_for(lambda: "recorder" in reports and reports["recorder"].level == DiagnosticStatus.WARN, "a warning")
    assert "recording ends at" in reports["recorder"].message
