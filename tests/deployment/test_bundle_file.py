from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from spirl_ros.deployment.bundle_description import ActionMeaning, LatentModelDescription, Probe
from spirl_ros.deployment.bundle_file import format_description, parse_description, read_description
from spirl_ros.errors import BundleError
from tests.deployment.small_bundle import DESCRIPTION

TEXT = format_description(DESCRIPTION)


def changed(**entries) -> bytes:
    """The description with some entries of the file changed, and the old digest."""
    return yaml.safe_dump({**yaml.safe_load(TEXT), **entries}, sort_keys=False).encode()


def test_description_is_read_as_it_was_written(tmp_path):
    (tmp_path / "bundle.yaml").write_text(TEXT)
    assert read_description(tmp_path) == DESCRIPTION


def test_policy_and_small_numbers_are_read_as_they_were_written():
    files = {**DESCRIPTION.files, "policy.onnx": "11" * 32}
    description = replace(
        DESCRIPTION,
        policy=LatentModelDescription(("observation", "progress"), 3.0),
        probe=replace(DESCRIPTION.probe, policy_latent=(1e-9, -2.5e20)),
        files=files,
    )
    assert parse_description(format_description(description).encode()) == description


def test_scale_of_each_joint_is_read_as_it_was_written():
    description = replace(DESCRIPTION, action=ActionMeaning("joint_velocity", (2.0, 0.04)))
    assert parse_description(format_description(description).encode()) == description
    names = (description.joint_names, description.observation.names)
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
            {"format_version": 2},
            "format_version is 2, but this program reads 1. The bundle is newer: update spirl_ros.",
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
        ({"observation": {"names": ["a"], "units": []}}, "observation has 1 names but 0 units"),
        ({"decoder": {"kind": "closed_loop", "inputs": ["observation", "latent", "force"]}}, "decoder.inputs are"),
        ({"decoder": {"kind": "diffusion", "inputs": ["latent"]}}, "decoder.kind is 'diffusion'"),
        ({"prior": {"inputs": ["observation"], "latent_limit": 0.0}}, "prior.latent_limit is 0.0"),
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
    "probe", [Probe((0.0,), (0.0, 0.0), (0.0, 0.0)), Probe((0.0,) * 3, (0.0,) * 2, (0.0,) * 2, (0.0,) * 2)]
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
