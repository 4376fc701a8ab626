"""What a command gives back to the shell when it neither succeeds nor fails."""

BAD_INPUT = 2
"""The input was at fault, and one line said how."""
INTERRUPTED = 130
"""After Ctrl-C: 128 + SIGINT, as shells count."""
BROKEN_PIPE = 141
"""Whoever read our output ended first: 128 + SIGPIPE."""
