"""`spirl export`: from trained skills, and a policy over them, to the bundle that runs on the robot."""

import argparse
import json
from pathlib import Path

from spirl_ros.errors import ConfigError


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="write trained skills as a bundle",
        description="Write the best skills of a training, and with --policy the best policy that uses them, as "
        "ONNX graphs with bundle.yaml, normalisation inside. They are "
        "compared with torch on observations of the dataset, and refused when any output differs by more than 1e-5. "
        "The bundle appears complete or not at all.",
        epilog="example: spirl export runs/skills --policy runs/rl --out models/kitchen",
    )
    parser.add_argument("skills", type=Path, metavar="RUN", help="folder of spirl skills train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write the bundle to")
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="RL_RUN",
        help="folder of spirl rl train on these skills: its best policy is included",
    )
    parser.add_argument("--name", help="name of the bundle (default: that of the folder)")
    parser.add_argument(
        "--robot",
        help="robot of the demonstrations; its limits are written (default: that of the task's family: kitchen)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the dataset is now, when it was moved")
    parser.add_argument(
        "--evaluation", type=Path, metavar="FILE", help="JSON object of an evaluation, to be written into bundle.yaml"
    )
    parser.add_argument("--force", action="store_true", help="replace the bundle in OUT; other files there stay")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Export, and print the description."""
    from spirl_ros.commands.bundle_summary import summarise_bundle
    from spirl_ros.deployment.robot_facts import robot_facts
    from spirl_ros.skills.bundle_export import export_bundle
    from spirl_ros.skills.run import SkillRun
    from spirl_ros.skills.skill_bundle import dataset_observations, skill_bundle_contents
    from spirl_ros.tasks.families import family_of

    skills = SkillRun.open(parsed.skills)
    evaluation = {} if parsed.evaluation is None else _read_figures(parsed.evaluation)
    name = parsed.name if parsed.name is not None else parsed.out.resolve().name
    family = family_of(skills.config.dataset.task)
    robot = family.robot if parsed.robot is None else robot_facts(parsed.robot)
    if parsed.policy is None:
        contents = skill_bundle_contents(skills, name, robot, evaluation)
    else:
        contents = _contents_with_policy(parsed, skills, name, robot, evaluation)
    bundle = export_bundle(parsed.out, contents, dataset_observations(skills, parsed.data), force=parsed.force)
    print(summarise_bundle(bundle))
    print(f"\nbundle in {parsed.out}; next: spirl check {parsed.out}")
    if parsed.json:
        print(json.dumps({"path": str(parsed.out), "digest": bundle.digest, "files": dict(bundle.description.files)}))
    return 0


def _contents_with_policy(parsed: argparse.Namespace, skills, name: str, robot, evaluation: dict[str, object]):
    """A bundle with a policy, which acts through the skills that it learned with and no others."""
    from spirl_ros.rl.policy_bundle import policy_bundle_contents
    from spirl_ros.rl.run import RlRun, weights_digest

    run = RlRun.open(parsed.policy)
    if weights_digest(skills) != run.skills_reference.weights_digest:
        raise ConfigError(
            f"{parsed.policy} learned with other skills than those in {parsed.skills}. Export "
            f"{run.skills_reference.folder}."
        )
    return policy_bundle_contents(run, skills, name, robot, evaluation)


def _read_figures(path: Path) -> dict[str, object]:
    try:
        figures = json.loads(path.read_text(encoding="utf-8").strip().splitlines()[-1])
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(
            f"{path} cannot be used: {error}. Expected what spirl skills eval or spirl rl eval printed with --json."
        ) from error
    if not isinstance(figures, dict):
        raise ConfigError(f"{path} holds a {type(figures).__name__}, expected a JSON object.")
    return figures
