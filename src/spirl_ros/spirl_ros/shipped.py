"""Where the files lie that are shipped with the package: bundles, launch files, configurations of robots."""

import os
import sys
from pathlib import Path

from spirl_ros.errors import ConfigError


def shipped(name: str) -> Path:
    """The file or folder of a name such as `models/kitchen`, in the source tree or where it was installed.

    Raises:
        ConfigError: it is in none of these places.
    """
    source = Path(__file__).resolve().parents[1]
    prefixes = [entry for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if entry]
    places = [Path(prefix) / "share" / "spirl_ros" for prefix in (*prefixes, sys.prefix)]
    if (source / "package.xml").is_file():
        places.insert(0, source)
    for place in places:
        if (place / name).exists():
            return place / name
    raise ConfigError(f"{name} is not shipped here: looked in {', '.join(map(str, places))}. Build and install again.")
