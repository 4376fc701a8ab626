"""A node's logger that shows texts from outside as texts: a name can neither move the cursor nor forge a message."""

from rclpy.impl import rcutils_logger
from rclpy.impl.rcutils_logger import RcutilsLogger

from spirl_ros.files.outside_text import printable

# Throttled messages are told apart by the line that logs them, which is not in this file.
rcutils_logger._internal_callers.append(__file__)

_CONTINUED = "\n    | "
"""Between the lines of a traceback."""


class PrintableLogger(RcutilsLogger):
    """Escapes control characters; of several lines only the first one can look like a message."""

    def log(self, message: object, *arguments, **options) -> bool:
        """Log a message; arguments as for rclpy."""
        lines = str(message).rstrip("\n").split("\n")
        return super().log(_CONTINUED.join(printable(line, limit=4000) for line in lines), *arguments, **options)
