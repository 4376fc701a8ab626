"""Short texts that change when something that a stage of the set-up depends on changes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def fingerprint(*parts: str, files: Iterable[Path] = ()) -> str:
    """Hash texts, and names and contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for file in files:
        digest.update(str(file).encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def files_below(folder: Path) -> list[Path]:
    """All files in a folder, sorted, without caches and hidden ones. A folder that is missing has none."""
    files = []
    for path in sorted(folder.glob("**/*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(
            part.startswith((".", "__pycache__")) or part.endswith(".egg-info") for part in inside
        ):
            files.append(path)
    return files


def message_files(root: Path) -> list[Path]:
    """What the messages are built from."""
    return files_below(root / "src/spirl_msgs")


def package_files(root: Path) -> list[Path]:
    """What is installed of src/spirl_ros: everything but its modules, which are imported from where they are."""
    package = root / "src/spirl_ros"
    # `pip install` leaves a folder named build.
    left_out = (package / "spirl_ros", package / "build")
    files = [path for path in files_below(package) if not any(folder in path.parents for folder in left_out)]
    # Symlinked folders are not followed by glob on every Python version.
    return sorted({*files, *files_below(root / "launch"), *files_below(root / "models")})
