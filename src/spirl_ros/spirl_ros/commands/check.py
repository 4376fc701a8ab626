"""`spirl check`: is this bundle complete, unchanged and able to run here."""

import argparse
import json
from pathlib import Path


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="verify a bundle and print what it holds",
        description="Verify a bundle as every program does before using it (description, hashes, operator set, inputs, "
        "outputs, and what the graphs compute on this machine), and print what it holds.",
        epilog="example: spirl check models/kitchen",
    )
    parser.add_argument(
        "bundle", type=Path, metavar="BUNDLE", help="folder that holds bundle.yaml, or the name of a shipped one"
    )
    parser.add_argument(
        "--provider", default="auto", choices=["auto", "cpu", "cuda"], help="where to run it (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Load, and print the description."""
    from spirl_ros.commands.bundle_summary import summarise_bundle
    from spirl_ros.deployment.bundle import load_bundle
    from spirl_ros.deployment.bundle_file import find_bundle, plain_description

    bundle = load_bundle(find_bundle(parsed.bundle, "BUNDLE"), parsed.provider)
    print(summarise_bundle(bundle))
    if parsed.json:
        figures = {"path": str(parsed.bundle), "ok": True, "digest": bundle.digest, "provider": bundle.provider}
        print(json.dumps({**figures, "description": plain_description(bundle.description)}))
    return 0
