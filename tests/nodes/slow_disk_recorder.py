"""The recorder on a disk that takes its time: `python -m tests.nodes.slow_disk_recorder SECONDS --ros-args …`.

Every wait for the disk takes so long; SIGUSR1 makes the disk quick again.
"""

import os
import signal
import sys
import time

from spirl_ros.nodes import recorder


def main() -> None:
    """Run the node."""
    delay_s, wait_for_disk = [float(sys.argv[1])], os.fsync

    def slow(descriptor: int) -> None:
        end_s = time.monotonic() + delay_s[0]
        while delay_s[0] and time.monotonic() < end_s:
            time.sleep(0.01)
        wait_for_disk(descriptor)

    def make_quick(*_) -> None:
        delay_s[0] = 0.0

    os.fsync = slow
    signal.signal(signal.SIGUSR1, make_quick)
    recorder.main()


if __name__ == "__main__":
    main()
