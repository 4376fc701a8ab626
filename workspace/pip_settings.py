"""What pip was told about where packages are, for uv, which does not read pip's settings."""

import ast
import subprocess
from collections.abc import Mapping
from pathlib import Path

_VARIABLES = {"index-url": "UV_DEFAULT_INDEX", "find-links": "UV_FIND_LINKS", "cert": "SSL_CERT_FILE"}
"""Of uv, by name of pip's setting. With any other setting uv finds less than pip, and pip installs in its place."""


def settings_for_uv(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that tell uv what the pip of an interpreter knows; none where that pip does not answer."""
    try:
        command = (python, "-m", "pip", "config", "list")
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return read_settings(done.stdout) if done.returncode == 0 else {}


def read_settings(listing: str) -> dict[str, str]:
    """The same from what `pip config list` prints; what the shell says counts before what files say."""
    variables = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        variable = _VARIABLES.get(key.rpartition(".")[2])
        if variable is not None:
            variables[variable] = ",".join(ast.literal_eval(value).split())
    return variables
