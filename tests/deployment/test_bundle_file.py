from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.deployment.bundle_description import ActionMeaning, LatentModelDescription, Probe
from spirl_ros.deployment.bundle_file import (
    description_digest,
    find_bundle,
    format_description,
    parse_description,
    read_description,
)
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.shipped import shipped
from tests.deployment.small_bundle import DESCRIPTION

TEXT = format_description(DESCRIPTION)


def changed(**entries) -> bytes:
    """The description with some entries of the file changed, and the old digest."""
    return yaml.safe_dump({**yaml.safe_load(TEXT), **entries}, sort_keys=False).encode()


def test_description_is_read_as_it_was_written(tmp_path):
    (tmp_path / "bundle.yaml").write_text(TEXT)
    assert read_description(tmp_path) == DESCRIPTION


OLD_DIGEST = "715dfc9d922313597f8391c5746d74cf60c60eebf4de883e88297b5aad539407"
OLD = """format_version: 1
name: small
task: kettle,microwave
target_subtasks: [kettle, microwave]
skill_horizon: 4
latent_size: 2
control_rate_hz: 12.5
opset: 18
observation:
  names: [joint_a, joint_b, door]
  units: [rad, m, rad]
action: {meaning: joint_velocity, scale: 2.0}
joints:
- {name: joint_a, unit: rad, position_lower: -1.0, position_upper: 1.0, velocity: 2.0, acceleration: 20.0, jerk: 200.0}
- {name: joint_b, unit: m, position_lower: 0.0, position_upper: 0.04, velocity: 0.5, acceleration: 5.0, jerk: 50.0}
decoder:
  kind: closed_loop
  inputs: [observation, latent]
prior:
  inputs: [observation]
  latent_limit: null
policy: null
origin: {dataset_digest: DATASET, commit: COMMIT, command: spirl skills train, versions: {torch: 2.13.0}}
evaluation:
  subtasks: {mean: 2.5, episodes: 50}
probe:
  observation: [0.5, 1.0, 2.0]
  latent: [0.5, 1.0]
  action: [5.5, 11.0]
  policy_latent: null
files: {skill_decoder.onnx: FILE, skill_prior.onnx: FILE}
digest: DIGEST
"""
"""The small bundle as it was written when an observation was one vector."""


def old_text() -> str:
    text = OLD
    for name, value in (("DATASET", "ab" * 32), ("COMMIT", "cd" * 20), ("FILE", "'" + "00" * 32 + "'")):
        text = text.replace(name, value)
    return text.replace("DIGEST", OLD_DIGEST)


def test_description_of_the_old_format_means_the_same_and_keeps_its_digest():
    description = parse_description(old_text().encode())
    assert replace(description, format_version=2) == DESCRIPTION
    assert description_digest(description) == OLD_DIGEST
    assert yaml.safe_load(format_description(description)) == yaml.safe_load(old_text())


def test_picture_is_read_as_it_was_written():
    eye = Field("eye", (64, 48, 3), PICTURE, source="wrist_camera")
    description = replace(
        DESCRIPTION, observation=(*DESCRIPTION.observation, eye), prior=LatentModelDescription(("eye", "state"))
    )
    text = format_description(description)
    assert parse_description(text.encode()) == description
    written = yaml.safe_load(text)["observation"][1]
    assert written == {"name": "eye", "shape": [64, 48, 3], "dtype": "uint8", "source": "wrist_camera"}


def test_policy_and_small_numbers_are_read_as_they_were_written():
    files = {**DESCRIPTION.files, "policy.onnx": "11" * 32}
    description = replace(
        DESCRIPTION,
        policy=LatentModelDescription(("state", "progress"), 3.0),
        probe=replace(DESCRIPTION.probe, policy_latent=(1e-9, -2.5e20)),
        files=files,
    )
    assert parse_description(format_description(description).encode()) == description


def test_scale_of_each_joint_is_read_as_it_was_written():
    description = replace(DESCRIPTION, action=ActionMeaning("joint_velocity", (2.0, 0.04)))
    assert parse_description(format_description(description).encode()) == description
    names = (description.joint_names, description.state.names)
    description.check_fits(*names, control_rate_hz=12.5, action=ActionMeaning("joint_velocity", (2.0, 0.04)))
    with pytest.raises(
        BundleError,
        match=r"joint_velocity times 2/0.04 from the measured position, but here a joint_velocity times 2 from ",
    ):
        description.check_fits(*names, control_rate_hz=12.5, action=ActionMeaning("joint_velocity", 2.0))
    with pytest.raises(BundleError, match=r"action.scale has 3 values, expected one number, or one for each of 2"):
        replace(DESCRIPTION, action=ActionMeaning("joint_velocity", (2.0, 0.04, 1.0)))


def test_no_flipped_byte_changes_what_is_read():
    """Any single damaged byte is an error, unless it stands in a comment or changes nothing."""
    content = TEXT.encode()
    noticed = 0
    for position in range(0, len(content), 5):
        damaged = content[:position] + bytes([content[position] ^ 0x04]) + content[position + 1 :]
        try:
            assert parse_description(damaged) == DESCRIPTION
        except BundleError:
            noticed += 1
    assert noticed > 0.7 * len(content) / 5


@pytest.mark.parametrize("size", [0, 1, 100, len(TEXT) // 2, len(TEXT) - 30])
def test_truncated_file_is_refused(size):
    with pytest.raises(BundleError):
        parse_description(TEXT[:size].encode())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"format_version": 3},
            "format_version is 3, but this program reads 1 and 2. The bundle is newer: update spirl_ros.",
        ),
        ({"format_version": True}, "format_version is True"),
        ({"format_version": "1"}, "Export the bundle again"),
        ({"gripper": 1}, "gripper is unknown. Known are name, task"),
        ({"skill_horizon": 10.5}, "skill_horizon is 10.5, expected a whole number"),
        ({"skill_horizon": True}, "skill_horizon is True, expected a whole number"),
        ({"skill_horizon": 0}, "skill_horizon is 0, expected 1 to 10000"),
        ({"latent_size": None}, "latent_size is None"),
        ({"control_rate_hz": float("nan")}, "control_rate_hz is nan, expected a finite number"),
        ({"control_rate_hz": 25.0}, "was changed or damaged"),
        ({"digest": None}, "was changed or damaged"),
        ({"evaluation": {"mean": float("inf")}}, "evaluation.mean is inf"),
        ({"evaluation": {"mean": 10**400}}, "expected a finite number or a text"),
        ({"control_rate_hz": 10**400}, "control_rate_hz is inf, expected a finite number"),
        ({"action": {"meaning": "torque", "scale": 2.0}}, "action.meaning is 'torque', expected one of joint_velocity"),
        ({"action": {"meaning": "joint_velocity"}}, "action.scale is missing"),
        ({"joints": []}, "joints: joint_names are []"),
        (
            {"observation": [{"name": "state", "shape": [1], "names": ["a"], "units": []}]},
            "state has 1 names but 0 units",
        ),
        ({"observation": []}, "observation is empty, expected its fields, state first"),
        ({"observation": [{"name": "eye", "shape": [8, 8, 3], "dtype": "uint8", "source": "eye"}]}, "state first"),
        ({"observation": [{"name": "eye", "shape": [8, 8, 3], "dtype": "uint8"}]}, "a camera as its source"),
        ({"prior": {"inputs": ["state", "eye"]}}, "prior.inputs are (state, eye), expected some of state"),
        ({"prior": {"inputs": ["state", "progress"]}}, "prior.inputs are (state, progress)"),
        ({"decoder": {"kind": "closed_loop", "inputs": ["state", "latent", "force"]}}, "decoder.inputs are"),
        ({"decoder": {"kind": "diffusion", "inputs": ["latent"]}}, "decoder.kind is 'diffusion'"),
        ({"prior": {"inputs": ["state"], "latent_limit": 0.0}}, "prior.latent_limit is 0.0"),
        ({"files": {"skill_decoder.onnx": "0", "skill_prior.onnx": "0", "../x": "0"}}, "files name '../x'"),
        ({"files": {"skill_decoder.onnx": "0"}}, "files lack skill_prior.onnx"),
    ],
)
def test_bad_entry_is_named(entries, message):
    with pytest.raises(BundleError) as raised:
        parse_description(changed(**entries))
    assert message in str(raised.value)


def test_missing_entry_is_named():
    data = yaml.safe_load(TEXT)
    del data["joints"][1]["jerk"], data["probe"]
    with pytest.raises(BundleError, match="probe is missing"):
        parse_description(yaml.safe_dump(data).encode())


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nname: b\n",
        "a: &x [1]\nb: *x\n",
        "!!python/object/apply:os.system ['true']",
        "[1, 2]",
        "1: 2",
        "a: [",
        "\x00",
        "format_version: 1\n? [a]\n: b\n",
    ],
)
def test_yaml_that_hides_something_is_refused(text):
    with pytest.raises(BundleError):
        parse_description(text.encode())


def test_folder_without_description_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle"):
        read_description(tmp_path)


@pytest.mark.parametrize(
    "probe",
    [
        Probe({"state": (0.0,)}, (0.0, 0.0), (0.0, 0.0)),
        Probe({"state": (0.0,) * 3}, (0.0,) * 2, (0.0,) * 2, (0.0,) * 2),
    ],
)
def test_probe_of_another_size_is_refused(probe):
    with pytest.raises(BundleError, match="probe"):
        replace(DESCRIPTION, probe=probe)


@pytest.mark.parametrize(
    ("robot", "message"),
    [
        ({"joint_names": ("joint_a", "elbow")}, "another robot or scene: it moves joint_a, joint_b, but here are"),
        ({"joint_names": ("joint_b", "joint_a")}, "in this order"),
        ({"observation_names": ("joint_a", "joint_b")}, "it observes door, which nothing here measures"),
        ({"control_rate_hz": 20.0}, "was trained at 12.5 Hz, but the control rate here is 20 Hz"),
        (
            {"action": replace(DESCRIPTION.action, scale=1.0)},
            "times 2 from the measured position, but here a joint_velocity times 1",
        ),
        ({"task": "kettle"}, "was trained for the task kettle,microwave, but the task here is kettle"),
    ],
)
def test_bundle_of_another_robot_is_refused(robot, message):
    fits = {
        "joint_names": ("joint_a", "joint_b"),
        "observation_names": ("door", "joint_b", "joint_a", "window"),
        "control_rate_hz": 12.5,
        "action": DESCRIPTION.action,
        "task": "kettle,microwave",
    }
    DESCRIPTION.check_fits(**fits)
    with pytest.raises(BundleError) as raised:
        DESCRIPTION.check_fits(**{**fits, **robot})
    assert message in str(raised.value)


_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    name=_TEXTS,
    scale=st.floats(1e-3, 1e3),
    evaluation=st.dictionaries(
        _TEXTS,
        st.recursive(
            st.none() | _NUMBERS | st.integers() | _TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=5
        ),
        max_size=4,
    ),
)
def test_any_description_is_read_as_it_was_written_or_not_written_at_all(name, scale, evaluation) -> None:
    try:
        description = replace(
            DESCRIPTION, name=name, action=ActionMeaning("joint_velocity", scale), evaluation=evaluation
        )
        text = format_description(description)
    except BundleError:
        return
    assert parse_description(text.encode()) == description


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", errors="replace")))
def test_any_bytes_are_refused_as_no_bundle(content: bytes) -> None:
    with pytest.raises(BundleError):
        parse_description(content)


def test_shipped_names_folders_and_the_home_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`models:=` took shipped names, `rl eval --bundle` and `real_arm bundle:=` did not; ~ was taken for a folder."""
    assert find_bundle("kitchen", "bundle") == shipped("models/kitchen")
    (tmp_path / "kitchen").mkdir()
    (tmp_path / "kitchen" / "bundle.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_bundle("kitchen", "bundle") == find_bundle("~/kitchen", "bundle") == tmp_path / "kitchen"


def test_message_names_the_next_step(tmp_path: Path) -> None:
    """For the folder of a training it said "Build and install again"."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "config.yaml").write_text("")
    (tmp_path / "run" / "skills").mkdir(parents=True)
    (tmp_path / "run" / "skills" / "bundle.yaml").write_text("")
    for name, told in (
        ("training", f"make a bundle of it with `spirl export {tmp_path}/training --out"),
        ("run", f"the skills that it began with are {tmp_path}/run/skills"),
        ("", "Within it are bundles|holds no bundle.yaml"),
        ("absent", f"There is no {tmp_path}/absent"),
    ):
        with pytest.raises(ConfigError, match="argument models is .* kitchen, kitchen_open_loop. .*" + told):
            find_bundle(str(tmp_path / name), "argument models")
