"""Whatever a file from outside holds, its reader gives a value or an error of ours, and nothing else.

Each reader gets a few dozen damaged files here. SPIRL_FUZZ_SECONDS=600 gives each so much time instead; the number of
files that were read and refused is printed (`pytest -s`).
"""

import json
import os
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from spirl_ros.configuration import change_by_name
from spirl_ros.deployment.bundle_file import format_description, parse_description
from spirl_ros.errors import SpirlError
from tests.deployment.small_bundle import DESCRIPTION
from tests.fuzzing.damage import damaged_bytes, damaged_tree, odd_value

Generator = np.random.Generator

_FILES = 25
_SECONDS = float(os.environ.get("SPIRL_FUZZ_SECONDS", "0"))
_SEED = int(os.environ.get("SPIRL_FUZZ_SEED", "0"))
_FOUND = {
    "bundle.yaml": [(1, 407)],
    "robot file": [(1, 733)],
    "training folder": [(1, 6973)],
    "D4RL file": [(1, 2832)],
    "Minari dataset": [(1, 2630)],
    "bag": [(1, 279)],
}
"""Inputs, as seed and number, that once ended in a traceback."""


def fuzz(name: str, read: Callable[[Generator], object]) -> None:
    """Call `read`, which makes and reads one damaged input, again and again."""
    counts: Counter[str] = Counter()
    end_s = time.monotonic() + _SECONDS
    found = _FOUND.get(name, [])
    number = -len(found)
    while number < _FILES if not _SECONDS else time.monotonic() < end_s:
        generator = np.random.default_rng((_SEED, number) if number >= 0 else found[number])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(generator)
            counts["read"] += 1
        except SpirlError as error:
            assert str(error)
            counts["refused"] += 1
        except BaseException:
            print(f"{name}: input {number} of SPIRL_FUZZ_SEED={_SEED}")
            raise
        number += 1
    print(f"\nfuzzed {name}: {number} inputs, {dict(counts)}")
    assert counts["refused"]


def damaged_yaml(tree: Any, text: str, generator: Generator) -> bytes:
    """As bytes or as values."""
    if generator.random() < 0.5:
        return damaged_bytes(text.encode(), generator)
    return yaml.safe_dump(damaged_tree(tree, generator), sort_keys=False, allow_unicode=True).encode(
        errors="surrogatepass"
    )


def test_bundle_yaml() -> None:
    text = format_description(DESCRIPTION)
    tree = yaml.safe_load(text)
    fuzz("bundle.yaml", lambda generator: parse_description(damaged_yaml(tree, text, generator)))


def test_robot_file(tmp_path: Path) -> None:
    from spirl_ros.arms.robot_configuration import read_robot
    from spirl_ros.shipped import shipped

    text, path = shipped("config/robots/ur5e.yaml").read_text(), tmp_path / "robot.yaml"
    tree = yaml.safe_load(text)

    def read(generator: Generator) -> None:
        path.write_bytes(damaged_yaml(tree, text, generator))
        read_robot("generic", path)

    fuzz("robot file", read)


def test_changes_of_settings() -> None:
    from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig

    names = [*vars(LearnerConfig()), *vars(RlTrainingConfig())]

    def read(generator: Generator) -> None:
        name = names[int(generator.integers(len(names)))]
        text = yaml.safe_dump(odd_value(generator), default_flow_style=True).removesuffix("...\n").strip()
        change = damaged_bytes(f"{name}={text}".encode(), generator) if generator.random() < 0.3 else f"{name}={text}"
        change_by_name(
            [LearnerConfig(), RlTrainingConfig()],
            [change if isinstance(change, str) else change.decode(errors="replace")],
        )

    fuzz("--set", read)


def test_training_folders(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from spirl_ros.monitoring.run_metrics import read_run
    from spirl_ros.rl.run import RlRun
    from spirl_ros.skills.run import SkillRun

    skills = {
        "model": {"decoder": "closed_loop", "latent_size": 10},
        "training": {"steps": 10, "learning_rate": 0.002},
        "dataset": {
            **{"folder": "data", "task": "kitchen", "digest": "00", "episodes": 3, "control_rate_hz": 12.5},
            **{"observation_names": ["a"], "joint_names": ["a"], "joint_units": ["rad"], "action_scale": 2.0},
        },
        **{"commit": "", "command": ""},
    }
    rl = {
        "learner": {"batch_size": 256},
        "training": {"task": "kitchen", "method": "spirl"},
        "skills": {"folder": "runs", "weights_digest": "00", "data": "data"},
        **{"commit": "", "command": ""},
    }
    lines = '{"part": "update", "step": 1, "cost": 0.5}\n{"part": "episode", "step": 2, "ordered": 1}\n'

    def read(generator: Generator) -> None:
        opener, tree = ((SkillRun, skills), (RlRun, rl))[int(generator.integers(2))]
        if generator.random() < 0.3:
            (tmp_path / "metrics.jsonl").write_bytes(damaged_bytes(lines.encode(), generator))
            for run in read_run(tmp_path):
                run.curve("update", "step", "cost")
        (tmp_path / "config.yaml").write_bytes(damaged_yaml(tree, yaml.safe_dump(tree), generator))
        opener.open(tmp_path)

    fuzz("training folder", read)


def damage_hdf5(path: Path, generator: Generator) -> None:
    """One array of a good file becomes another: shape, type or values; or an attribute does."""
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name))
        name = names[int(generator.integers(len(names)))]
        item = file[name]
        if isinstance(item, h5py.Group):
            attributes = list(item.attrs)
            if attributes and generator.random() < 0.8:
                attribute = attributes[int(generator.integers(len(attributes)))]
                del item.attrs[attribute]
                if generator.random() < 0.8:
                    item.attrs[attribute] = _odd_array(generator)
            else:
                del file[name]
            return
        values = np.asarray(item)
        del file[name]
        match int(generator.integers(6)):
            case 0:
                file.create_dataset(name, data=values[: len(values) // 2])
            case 1:
                file.create_dataset(name, data=values[..., None])
            case 2 if values.dtype.kind in "biuf":
                changed = values.astype(float)
                changed.flat[int(generator.integers(changed.size))] = (np.nan, np.inf, 1e308)[
                    int(generator.integers(3))
                ]
                file.create_dataset(name, data=changed)
            case 3:
                file.create_group(name)
            case _:
                file.create_dataset(name, data=_odd_array(generator))


def _odd_array(generator: Generator) -> Any:
    values: tuple[Any, ...] = (
        *(0.0, -1, 2**63, "text", b"\xff", np.zeros(0), np.zeros((3, 2)), np.array(["a", "b"], dtype="S2")),
        *(np.zeros(3, dtype=[("x", float)]), np.array([1 + 2j]), np.full(3, np.nan), np.array([2**40]), True),
    )
    return values[int(generator.integers(len(values)))]


def read_damaged_file(good: Path, path: Path, reader: Callable[[], object]) -> Callable[[Generator], None]:
    """Damage an HDF5 file as bytes or as arrays, then read it."""
    content = good.read_bytes()

    def read(generator: Generator) -> None:
        if generator.random() < 0.5:
            path.write_bytes(damaged_bytes(content, generator))
        else:
            path.write_bytes(content)
            damage_hdf5(path, generator)
        reader()

    return read


def test_d4rl_file(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    from spirl_ros.demonstrations.layout import robot_metadata
    from spirl_ros.kitchen.d4rl import read_d4rl, write_d4rl
    from spirl_ros.kitchen.family import KITCHEN
    from tests.demonstrations.small_dataset import make_dataset

    good, path = tmp_path / "good.hdf5", tmp_path / "damaged.hdf5"
    write_d4rl(good, make_dataset((3, 5), robot_metadata(KITCHEN.robot)))
    fuzz("D4RL file", read_damaged_file(good, path, lambda: read_d4rl(path)))


@pytest.mark.parametrize("metadata", ["METADATA", "SEEING"])
def test_dataset(tmp_path: Path, metadata: str) -> None:
    pytest.importorskip("h5py")
    from spirl_ros.demonstrations.storage import DATA_FILE, METADATA_FILE, read_dataset, write_dataset
    from tests.demonstrations import small_dataset

    good, folder = tmp_path / "good", tmp_path / "damaged"
    write_dataset(good, small_dataset.make_dataset(metadata=getattr(small_dataset, metadata)))
    shutil.copytree(good, folder)
    description = (good / METADATA_FILE).read_text()
    read_arrays = read_damaged_file(good / DATA_FILE, folder / DATA_FILE, lambda: read_dataset(folder))

    def read(generator: Generator) -> None:
        if generator.random() < 0.7:
            (folder / METADATA_FILE).write_text(description)
            read_arrays(generator)
        else:
            shutil.copy(good / DATA_FILE, folder / DATA_FILE)
            if generator.random() < 0.5:
                content = damaged_bytes(description.encode(), generator)
            else:
                content = json.dumps(
                    damaged_tree(json.loads(description), generator), default=str, skipkeys=True
                ).encode()
            (folder / METADATA_FILE).write_bytes(content)
            read_dataset(folder, "kitchen")

    fuzz("dataset", read)


def test_minari_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    minari = pytest.importorskip("minari")
    from spirl_ros.demonstrations.storage import DATA_FILE, METADATA_FILE
    from spirl_ros.kitchen.minari import read_minari
    from tests.kitchen.test_minari import buffer_of, make

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # minari asks for an author, a description, …
        good, folder = make(minari, [buffer_of(minari, 4), buffer_of(minari, 3)]), tmp_path / "damaged"
    shutil.copytree(good, folder)
    metadata = (good / METADATA_FILE).read_text()
    read_arrays = read_damaged_file(good / DATA_FILE, folder / DATA_FILE, lambda: read_minari(folder))

    def read(generator: Generator) -> None:
        (folder / METADATA_FILE).write_text(metadata)
        if generator.random() < 0.7:
            read_arrays(generator)
        else:
            shutil.copy(good / DATA_FILE, folder / DATA_FILE)
            (folder / METADATA_FILE).write_bytes(damaged_bytes(metadata.encode(), generator))
            read_minari(folder)

    fuzz("Minari dataset", read)


def test_robomimic_file(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    from spirl_ros.demonstrations.sources import read_source
    from tests.demonstrations.formats.test_robomimic import write_file

    good, path = write_file(tmp_path / "good.hdf5", next_obs=True), tmp_path / "damaged.hdf5"
    fuzz("robomimic file", read_damaged_file(good, path, lambda: read_source(str(path))))


@pytest.mark.parametrize("version", ["ours", "v3.0", "v2.1"])
def test_lerobot_dataset(tmp_path: Path, version: str) -> None:
    pytest.importorskip("pyarrow")
    from spirl_ros.demonstrations.formats.lerobot import write_lerobot
    from spirl_ros.demonstrations.formats.lerobot_source import read_lerobot
    from tests.demonstrations.formats.test_lerobot_source import write_v3, write_v21
    from tests.demonstrations.small_dataset import make_dataset

    folder = tmp_path / "data"
    if version == "ours":
        write_lerobot(folder, make_dataset())
    else:
        (write_v3 if version == "v3.0" else write_v21)(folder)
    good = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    paths = list(good)

    def read(generator: Generator) -> None:
        path = paths[int(generator.integers(len(paths)))]
        for other, content in good.items():
            other.write_bytes(content)
        if path.suffix == ".json" and generator.random() < 0.7:
            changed = json.dumps(damaged_tree(json.loads(good[path]), generator), default=str, skipkeys=True)
            path.write_text(changed)
        else:
            path.write_bytes(damaged_bytes(good[path], generator))
        read_lerobot(folder)

    fuzz(f"LeRobot dataset {version}", read)


def test_bag(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")
    from spirl_ros.demonstrations.formats.bag_export import write_bags
    from spirl_ros.demonstrations.formats.bag_import import import_bags
    from spirl_ros.recording.bag_metadata import METADATA_FILE
    from spirl_ros.recording.bag_recovery import recover
    from tests.demonstrations.formats.test_bag_import import kitchen_dataset

    write_bags(tmp_path / "bags", kitchen_dataset([5]))
    good, folder = tmp_path / "bags" / "episode_000001", tmp_path / "damaged" / "episode_000001"
    shutil.copytree(good, folder)
    file = f"{good.name}_0.mcap"
    content, metadata = (good / file).read_bytes(), (good / METADATA_FILE).read_text()
    tree = yaml.safe_load(metadata)

    def read(generator: Generator) -> None:
        chance = generator.random()
        (folder / file).write_bytes(content if chance < 0.2 else damaged_bytes(content, generator))
        (folder / METADATA_FILE).write_bytes(
            damaged_yaml(tree, metadata, generator) if chance < 0.2 else metadata.encode()
        )
        if chance > 0.8:
            unfinished = folder.with_name(f".{folder.name}.recording")
            shutil.copytree(folder, unfinished)
            for recovery in recover(folder.parent):
                shutil.rmtree(recovery.folder, ignore_errors=True)
            shutil.rmtree(unfinished, ignore_errors=True)
            folder.mkdir(exist_ok=True)
            return
        import_bags([folder], keep_truncated=chance > 0.5)

    fuzz("bag", read)


def test_parameters_of_a_node(domain_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    rclpy = pytest.importorskip("rclpy")
    from rclpy.parameter import Parameter

    from spirl_ros.nodes.executor.skill_executor_parameters import SkillExecutorConfig
    from spirl_ros.nodes.graph.parameters import declare_parameters, read_parameters
    from tests.local_ros import stay_on_this_machine

    stay_on_this_machine(monkeypatch, domain_environment["ROS_DOMAIN_ID"])
    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    names = [*vars(SkillExecutorConfig())]

    def read(generator: Generator) -> None:
        name = "unknown" if generator.random() < 0.1 else names[int(generator.integers(len(names)))]
        while True:
            try:
                override = Parameter(name, value=odd_value(generator))
                break
            except (TypeError, AttributeError):
                continue  # no value that ROS could carry
        node = rclpy.create_node(
            "fuzzed",
            context=context,
            parameter_overrides=[override],
            start_parameter_services=False,
            enable_rosout=False,
        )
        try:
            declare_parameters(node, SkillExecutorConfig)
            read_parameters(node, SkillExecutorConfig)
        finally:
            node.destroy_node()

    try:
        fuzz("parameters", read)
    finally:
        rclpy.shutdown(context=context)
