"""A disk that takes seconds delays nobody who asks the recorder for something."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")

from std_srvs.srv import Trigger

from spirl_msgs.msg import RecordingStatus
from spirl_msgs.srv import StartRecording, StopRecording
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from tests.nodes.test_recorder import TWO_TOPICS, Arm, positions_of, start_recording, stop_recording

ASKED = {
    "stop_recording": (StopRecording, StopRecording.Request(is_success=True)),
    "start_recording": (StartRecording, StartRecording.Request()),
    "discard_recording": (Trigger, Trigger.Request()),
}


def test_services_are_answered_at_once_while_a_slow_disk_finishes_a_recording(
    client, start_node, tmp_path, record_property
) -> None:
    """They waited for the disk: here 3.5 s for the one that stops, and everybody else behind it."""
    start_node("tests.nodes.slow_disk_recorder 0.5", "-p", TWO_TOPICS, folder=tmp_path)
    statuses = client.collect(RecordingStatus, "recording_status", LATCHED_QOS)
    arm = Arm(client)
    services = {name: client.create_client(kind, name) for name, (kind, _) in ASKED.items()}
    client.wait_for(lambda: all(service.service_is_ready() for service in services.values()), "the services")
    took_s, told = [], len(statuses)

    def ask(name: str):
        begin_s = time.monotonic()
        future = services[name].call_async(ASKED[name][1])
        client.wait_for(future.done, f"an answer of {name}")
        took_s.append(time.monotonic() - begin_s)
        return future.result()

    assert ask("start_recording").success
    arm.publish(100)
    arm.wait_until_received()
    stopped = ask("stop_recording")
    assert stopped.success and stopped.messages == 102 and "still completing it" in stopped.message
    begin_s = time.monotonic()
    while len(took_s) < 200:
        assert not ask("stop_recording").success
        assert not ask("discard_recording").success
        assert ask("start_recording").success
        arm.publish(1)
        assert ask("discard_recording").success
    assert len(statuses) - told >= time.monotonic() - begin_s  # twice a second
    p50, p99 = np.percentile(took_s, (50, 99))
    record_property("reaction: answers of the recorder on a slow disk, median", float(p50))
    record_property("reaction: answers of the recorder on a slow disk, 99 of 100", float(p99))
    assert np.percentile(took_s, 90) < 0.5  # one wait for this disk, whatever else the machine does


def test_nothing_is_lost_behind_a_slow_disk(client, start_node, tmp_path) -> None:
    """The episode that begins while the one before is completed has every message, from its start on."""
    recorder = start_node("tests.nodes.slow_disk_recorder 0.3", "-p", TWO_TOPICS, folder=tmp_path)
    statuses = client.collect(RecordingStatus, "recording_status", LATCHED_QOS)
    arm = Arm(client)
    first = start_recording(client)
    arm.publish(50)
    arm.wait_until_received()
    assert stop_recording(client, is_awaited=False, is_success=True).success
    second = start_recording(client)
    assert second.success and "still busy" in second.message
    arm.publish(50)
    arm.wait_until_received()
    assert "still completing it" in stop_recording(client, is_awaited=False).message
    os.kill(recorder.process.pid, signal.SIGUSR1)
    client.wait_for(lambda: statuses[-1].episodes == 2, "both episodes")
    assert positions_of(Path(first.path)) == list(range(50))
    assert positions_of(Path(second.path)) == list(range(50, 100))
    assert "is_success: 'true'" in (Path(first.path) / "metadata.yaml").read_text()
    _, output = recorder.end()
    assert "episode_000001: success, 52 messages" in output


def test_disk_that_refuses_late_is_told_by_the_status(client, start_node, tmp_path) -> None:
    recorder = start_node("tests.nodes.slow_disk_recorder 0.3", "-p", TWO_TOPICS, folder=tmp_path)
    statuses = client.collect(RecordingStatus, "recording_status", LATCHED_QOS)
    arm = Arm(client)
    started = start_recording(client)
    arm.publish(10)
    arm.wait_until_received()
    (tmp_path / "episode_000001").mkdir()  # by another program: a bag is never put over it
    (tmp_path / "episode_000001" / "mine").write_text("mine")
    assert stop_recording(client, is_awaited=False).success
    os.kill(recorder.process.pid, signal.SIGUSR1)
    client.wait_for(lambda: statuses[-1].state == RecordingStatus.FAILED, "the status")
    assert "recovery completes it at the next start" in statuses[-1].reason
    assert (Path(started.path) / "mine").read_text() == "mine"
