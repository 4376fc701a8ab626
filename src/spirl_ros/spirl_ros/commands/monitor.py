"""`spirl monitor`: see how a training goes, from its folder alone."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_ros.errors import ConfigError

if TYPE_CHECKING:
    from spirl_ros.monitoring.run_metrics import RunMetrics


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "monitor",
        help="draw the curves of a finished or running training",
        description="Draw what `spirl skills train` or `spirl rl train` wrote to its folder, as a PNG file, and "
        "print the newest "
        "figures. A folder of several seeds gives a line per seed. The training is not disturbed. (Its TensorBoard "
        "events show the same in a browser: tensorboard --logdir RUN.)",
        epilog="example: spirl monitor runs/rl --follow 30",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a training, or of its seeds")
    parser.add_argument("--out", type=Path, metavar="FILE", help="PNG file to write (default: RUN/curves.png)")
    parser.add_argument(
        "--follow", type=float, metavar="SECONDS", help="draw again at this interval, until Ctrl-C (default: once)"
    )
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Draw once, or again and again."""
    from spirl_ros.monitoring.run_curves import draw_run
    from spirl_ros.monitoring.run_metrics import read_run
    from spirl_ros.plotting import write_figures

    out = parsed.folder / "curves.png" if parsed.out is None else parsed.out
    if out.suffix != ".png":
        raise ConfigError(f"--out is {out}, expected a name that ends with .png.")
    if parsed.follow is not None and not parsed.follow > 0.0:
        raise ConfigError(f"--follow is {parsed.follow}, expected a number of seconds above 0.")
    while True:
        runs = read_run(parsed.folder)
        write_figures({out.stem: lambda runs=runs: draw_run(runs)}, out.parent)
        for each in runs:
            print(f"{each.name}: {_newest(each)}", flush=True)
        print(f"curves: {out}", flush=True)
        if parsed.follow is None:
            return 0
        time.sleep(parsed.follow)


def _newest(metrics: "RunMetrics") -> str:
    """The last figures of every part, in a line."""
    last = {line["part"]: line for line in metrics.lines}
    step = max(line.get("step", 0) for line in metrics.lines)
    parts = [f"step {step}"]
    for part, line in last.items():
        figures = [
            f"{name} {value:.3g}"
            for name, value in line.items()
            if name not in ("part", "step", "is_best") and isinstance(value, (int, float))
        ]
        parts.append(f"{part}: {', '.join(figures)}")
    return "; ".join(parts)
