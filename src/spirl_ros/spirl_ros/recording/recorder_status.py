"""What a recorder says about itself."""

from dataclasses import dataclass
from pathlib import Path

IDLE, RECORDING, FAILED = "idle", "recording", "failed"


@dataclass(frozen=True)
class RecorderStatus:
    """What the recorder is doing."""

    state: str = IDLE
    """`idle`, `recording` or `failed`."""
    reason: str = ""
    """Why it failed; what was written is kept."""
    path: Path | None = None
    """The episode under way or the last one."""
    messages: int = 0
    """Messages written to it."""
    bytes: int = 0
    """Size of its file on the disk."""
    started_s: float = 0.0
    """When it was started, on the steady clock [s]."""
    duration_s: float = 0.0
    """Time from its start until now or its end [s]."""
    free_bytes: int = 0
    """Free space on that disk."""
    episodes: int = 0
    """Finished episodes in the folder."""
