"""Records episodes one after the other in a thread of its own, so that a slow disk delays nobody."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from spirl_ros.errors import RecordingError
from spirl_ros.recording.bag_metadata import BagTopic
from spirl_ros.recording.bag_writer import BagWriter, RawMessage, unfinished_folder
from spirl_ros.recording.disk_guard import free_bytes, require_free
from spirl_ros.recording.recorder_status import FAILED, IDLE, RECORDING, RecorderStatus
from spirl_ros.recording.recording_folder import RecordingFolder

Result = TypeVar("Result")


@dataclass(frozen=True)
class EpisodeRecorderConfig:
    """How episodes are written."""

    flush_period_s: float = 0.25
    """What is written is on the disk after this time [s], in whole chunks: what a crash can cost."""
    min_free_bytes: int = 500_000_000
    """Recording does not start, and ends, below this free space [byte]."""
    max_backlog_bytes: int = 256_000_000
    """Recording ends when so much waits for the disk [byte]."""


@dataclass(frozen=True)
class FinishedEpisode:
    """A complete bag."""

    path: Path
    messages: int
    """Verified in the file."""


class EpisodeRecorder:
    """Owns the bag under way. All methods may be called from any thread and return at once; work is done in order."""

    def __init__(
        self,
        folder: RecordingFolder,
        config: EpisodeRecorderConfig = EpisodeRecorderConfig(),
        on_change: Callable[[], None] = lambda: None,
        on_error: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        """Prepare.

        Args:
            folder: where episodes go.
            config: how they are written.
            on_change: called from the recorder's thread whenever its state changes.
            on_error: called from it when writing raised what no disk explains.
        """
        self._folder = folder
        self._config = config
        self._on_change = on_change
        self._on_error = on_error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="episode_recorder")
        self._writer: BagWriter | None = None
        self._flushed_s = 0.0
        self._backlog_lock = threading.Lock()
        self._backlog_bytes = 0
        self._status = RecorderStatus(free_bytes=free_bytes(folder.path), episodes=folder.finished_episodes())

    def status(self) -> RecorderStatus:
        """What the recorder is doing, as of its last work."""
        return self._status

    @property
    def waiting_bytes(self) -> int:
        """Size of what was handed over and is not written yet."""
        with self._backlog_lock:
            return self._backlog_bytes

    def start(self, topics: Sequence[BagTopic], details: Mapping[str, str]) -> Future[Path]:
        """Begin an episode; RecordingError when one is under way or the disk is short or refuses.

        Args:
            topics: everything that may be written.
            details: what is known of the episode.
        """
        return self._submit(self._start, tuple(topics), dict(details))

    def write(self, messages: Sequence[RawMessage]) -> None:
        """Write messages to the episode under way; without one they are dropped. Call it several times a second."""
        size = sum(len(message.data) for message in messages)
        with self._backlog_lock:
            self._backlog_bytes += size
        self._submit(self._write, messages, size).add_done_callback(self._report)

    def stop(self, details: Mapping[str, str]) -> Future[FinishedEpisode]:
        """End the episode under way and keep it; RecordingError when there is none or it cannot be completed.

        Args:
            details: what is known of the episode at its end.
        """
        return self._submit(self._stop, dict(details))

    def discard(self) -> Future[Path]:
        """End the episode under way and delete it; RecordingError when there is none."""
        return self._submit(self._discard)

    def close(self) -> None:
        """Wait until everything asked for is done. An episode under way is left to recovery: stop it before."""
        self._thread.shutdown()
        if self._writer is not None:
            self._writer.abandon()

    def _submit(self, work: Callable[..., Result], *arguments: object) -> Future[Result]:
        return self._thread.submit(partial(work, *arguments))

    def _report(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            self._on_error(error)

    def _start(self, topics: tuple[BagTopic, ...], details: dict[str, str]) -> Path:
        if self._writer is not None:
            raise RecordingError(f"{self._writer.folder} is being recorded already. Stop or discard it first.")
        require_free(self._folder.path, self._config.min_free_bytes)
        path = self._folder.next_episode()
        try:
            self._writer = BagWriter(path, topics, details)
        except OSError as error:
            shutil.rmtree(unfinished_folder(path), ignore_errors=True)  # It has no message yet.
            raise RecordingError(f"{path} cannot be written: {error}.") from error
        self._flushed_s = now_s = time.monotonic()
        self._change(state=RECORDING, reason="", path=path, messages=0, bytes=0, started_s=now_s, duration_s=0.0)
        return path

    def _write(self, messages: Sequence[RawMessage], size: int) -> None:
        with self._backlog_lock:
            backlog = self._backlog_bytes
            self._backlog_bytes -= size
        if self._writer is None:
            return
        for message in messages:
            self._writer.write(message)
        now_s = time.monotonic()
        if now_s - self._flushed_s < self._config.flush_period_s:
            return
        self._flushed_s = now_s
        free = free_bytes(self._folder.path)
        try:
            self._writer.flush()
        except OSError as error:
            self._fail(f"the disk refused: {error}")
            return
        self._update(
            messages=self._writer.messages,
            bytes=self._writer.bytes,
            duration_s=now_s - self._status.started_s,
            free_bytes=free,
        )
        if free < self._config.min_free_bytes:
            self._fail(
                f"the disk has {free / 1e6:.1f} MB free, expected at least {self._config.min_free_bytes / 1e6:.1f} MB; "
                "free some space, then record again"
            )
        elif backlog > self._config.max_backlog_bytes:
            self._fail(f"the disk is too slow: {backlog / 1e6:.0f} MB wait for it")

    def _stop(self, details: dict[str, str]) -> FinishedEpisode:
        writer = self._require_writer()
        try:
            finished = self._finish(writer, details)
        except (OSError, RecordingError) as error:
            reason = f"{writer.folder} is not complete: {error}; recovery completes it at the next start"
            self._change(state=FAILED, reason=reason)
            raise RecordingError(reason) from error
        self._change(state=IDLE, reason="", messages=finished.messages, bytes=writer.bytes)
        return finished

    def _discard(self) -> Path:
        writer = self._require_writer()
        self._writer = None
        writer.abandon()
        shutil.rmtree(unfinished_folder(writer.folder))
        self._change(state=IDLE, reason="", messages=0, bytes=0)
        return writer.folder

    def _require_writer(self) -> BagWriter:
        if self._writer is None:
            raise RecordingError("no episode is being recorded. Start one first.")
        return self._writer

    def _finish(self, writer: BagWriter, details: Mapping[str, str]) -> FinishedEpisode:
        """Complete the bag; one that cannot be completed is left to recovery."""
        self._writer = None
        self._update(duration_s=time.monotonic() - self._status.started_s)
        try:
            content = writer.finish(details)
        except (OSError, RecordingError):
            writer.abandon()
            raise
        return FinishedEpisode(writer.folder, content.messages)

    def _fail(self, reason: str) -> None:
        """End the episode because it cannot go on; what was written is kept."""
        writer = self._require_writer()
        writer.release_reserve()
        try:
            finished = self._finish(writer, {"is_success": "false", "note": f"ended by the recorder: {reason}"})
        except (OSError, RecordingError) as error:
            reason = f"{reason}; {writer.folder} is not complete: {error}; recovery completes it at the next start"
            self._change(state=FAILED, reason=reason)
        else:
            reason = f"{reason}; {writer.folder} is complete up to here"
            self._change(state=FAILED, reason=reason, messages=finished.messages, bytes=writer.bytes)

    def _change(self, **values: object) -> None:
        free, episodes = free_bytes(self._folder.path), self._folder.finished_episodes()
        self._update(free_bytes=free, episodes=episodes, **values)
        self._on_change()

    def _update(self, **values) -> None:
        self._status = replace(self._status, **values)
