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

_NOTHING = "no episode is being recorded. Start one first."


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
        self._lock = threading.Lock()
        self._backlog_bytes = 0
        self._number = folder.next_number() - 1
        self._open: Path | None = None
        self._overrun: Path | None = None
        self._asked_s: float | None = None
        self._status = RecorderStatus(free_bytes=free_bytes(folder.path), episodes=folder.finished_episodes())

    def status(self) -> RecorderStatus:
        """What the recorder is doing, as of its last work."""
        return self._status

    @property
    def open_episode(self) -> Path | None:
        """What messages are written to, as far as it was asked for: the disk may not be there yet."""
        return self._open

    @property
    def waiting_bytes(self) -> int:
        """Size of what was handed over and is not written yet."""
        with self._lock:
            return self._backlog_bytes

    def unanswered_s(self) -> float:
        """How long the disk has been busy with one thing [s]."""
        asked_s = self._asked_s
        return 0.0 if asked_s is None else time.monotonic() - asked_s

    def start(self, topics: Sequence[BagTopic], details: Mapping[str, str]) -> Future[Path]:
        """Begin an episode; RecordingError when one is under way or the disk is short or refuses.

        Args:
            topics: everything that may be written.
            details: what is known of the episode.
        """
        with self._lock:
            if self._open is not None:
                return _refused(f"{self._open} is being recorded already. Stop or discard it first.")
            self._number += 1
            self._open = path = self._folder.episode(self._number)
        return self._submit(self._start, path, tuple(topics), dict(details))

    def write(self, messages: Sequence[RawMessage]) -> None:
        """Write messages to the episode under way; without one they are dropped. Call it several times a second."""
        size = sum(len(message.data) for message in messages)
        with self._lock:
            if self._open is None:
                return
            if self._backlog_bytes + size > 2 * self._config.max_backlog_bytes:
                self._overrun = self._open  # ends when the disk answers, before what is dropped here
                return
            self._backlog_bytes += size
        self._submit(self._write, messages, size).add_done_callback(self._report)

    def stop(self, details: Mapping[str, str]) -> Future[FinishedEpisode]:
        """End the episode under way and keep it; RecordingError when there is none or it cannot be completed.

        Args:
            details: what is known of the episode at its end.
        """
        if self._close_episode() is None:
            return _refused(_NOTHING)
        return self._submit(self._stop, dict(details))

    def discard(self) -> Future[Path]:
        """End the episode under way and delete it; RecordingError when there is none."""
        path = self._close_episode()
        if path is None:
            return _refused(_NOTHING)
        self._give_back(path)
        return self._submit(self._discard)

    def close(self) -> None:
        """Wait until everything asked for is done. An episode under way is left to recovery: stop it before."""
        self._thread.shutdown()
        if self._writer is not None:
            self._writer.abandon()

    def _submit(self, work: Callable[..., Result], *arguments: object) -> Future[Result]:
        return self._thread.submit(self._timed, partial(work, *arguments))

    def _timed(self, work: Callable[[], Result]) -> Result:
        self._asked_s = time.monotonic()
        try:
            return work()
        finally:
            self._asked_s = None

    def _close_episode(self) -> Path | None:
        """Whatever comes now belongs to no episode; returns the one that it belonged to."""
        with self._lock:
            path, self._open = self._open, None
            return path

    def _forget(self, path: Path) -> None:
        """An episode ended by itself."""
        with self._lock:
            if self._open == path:
                self._open = None

    def _give_back(self, path: Path) -> None:
        """The next episode may have the number of one that came to nothing."""
        with self._lock:
            if path == self._folder.episode(self._number):
                self._number -= 1

    def _report(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            self._on_error(error)

    def _start(self, path: Path, topics: tuple[BagTopic, ...], details: dict[str, str]) -> Path:
        try:
            self._writer = self._begin(path, topics, details)
        except RecordingError as error:
            self._forget(path)
            if not path.exists():
                self._give_back(path)
            self._change(state=FAILED, reason=str(error))
            raise
        self._flushed_s = now_s = time.monotonic()
        self._change(state=RECORDING, reason="", path=path, messages=0, bytes=0, started_s=now_s, duration_s=0.0)
        return path

    def _begin(self, path: Path, topics: tuple[BagTopic, ...], details: dict[str, str]) -> BagWriter:
        require_free(self._folder.path, self._config.min_free_bytes)
        if path.exists() or unfinished_folder(path).exists():
            with self._lock:
                self._number = max(self._number, self._folder.next_number() - 1)
            raise RecordingError(f"{path} exists already: another program put it there. Start again.")
        try:
            return BagWriter(path, topics, details)
        except OSError as error:
            shutil.rmtree(unfinished_folder(path), ignore_errors=True)  # It has no message yet.
            raise RecordingError(f"{path} cannot be written: {error}.") from error

    def _write(self, messages: Sequence[RawMessage], size: int) -> None:
        with self._lock:
            backlog = self._backlog_bytes
            self._backlog_bytes -= size
        if self._writer is None:
            return
        if self._overrun == self._writer.folder:
            self._fail(f"the disk is too slow: {backlog / 1e6:.0f} MB wait for it")
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
            raise RecordingError(_NOTHING)
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
        self._forget(writer.folder)
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


def _refused(reason: str) -> Future:
    """An answer that needs no disk."""
    future: Future = Future()
    future.set_exception(RecordingError(reason))
    return future
