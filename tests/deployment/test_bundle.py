import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from spirl_ros.commands.bundle_summary import summarise_bundle
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.deployment.bundle_description import DecoderDescription, LatentModelDescription
from spirl_ros.errors import BundleError
from tests.deployment.small_bundle import (
    DESCRIPTION,
    closed_loop_decoder,
    latent_model,
    open_loop_decoder,
    write_bundle,
)

OBSERVATION = np.array([0.1, 0.2, 0.3])


def test_loaded_bundle_decodes(tmp_path):
    description = write_bundle(tmp_path / "small")
    bundle = load_bundle(tmp_path / "small")
    assert bundle.description == description and bundle.policy is None
    # 0.1 + 10 x 1 and 0.2 + 10 x 2.
    np.testing.assert_allclose(bundle.decoder.decode(OBSERVATION, np.array([1.0, 2.0]), 0), [10.1, 20.2], rtol=1e-5)
    np.testing.assert_allclose(bundle.prior.distribution({"state": OBSERVATION}).latent, [0.1, 0.2], rtol=1e-5)


def test_bundle_of_the_old_format_whose_graphs_take_an_observation_runs_as_before(tmp_path):
    decoder, prior = closed_loop_decoder(state="observation"), latent_model(state="observation")
    write_bundle(tmp_path / "old", decoder=decoder, prior=prior, format_version=1)
    bundle = load_bundle(tmp_path / "old")
    np.testing.assert_allclose(bundle.decoder.decode(OBSERVATION, np.array([1.0, 2.0]), 0), [10.1, 20.2], rtol=1e-5)
    np.testing.assert_allclose(bundle.prior.distribution({"state": OBSERVATION}).latent, [0.1, 0.2], rtol=1e-5)
    write_bundle(tmp_path / "mixed", decoder=decoder, prior=prior)
    with pytest.raises(BundleError, match="its inputs are observation, latent, expected state, latent"):
        load_bundle(tmp_path / "mixed")


@pytest.mark.parametrize("name", ["skill_decoder.onnx", "skill_prior.onnx"])
def test_flipped_byte_in_a_graph_is_noticed(tmp_path, name):
    write_bundle(tmp_path / "small")
    path = tmp_path / "small" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} has SHA-256 .* was changed or damaged"):
        load_bundle(tmp_path / "small")


def test_missing_file_is_named(tmp_path):
    write_bundle(tmp_path / "small")
    (tmp_path / "small" / "skill_prior.onnx").unlink()
    with pytest.raises(BundleError, match=r"skill_prior.onnx cannot be read .*Copy the whole folder again"):
        load_bundle(tmp_path / "small")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"decoder": closed_loop_decoder}, None),
        ({"decoder": lambda: closed_loop_decoder(with_phase=True)}, "its inputs are state, latent, phase"),
        ({"decoder": lambda: closed_loop_decoder(opset=17)}, "operator sets are ai.onnx 17, expected ai.onnx 18 alone"),
        ({"decoder": lambda: closed_loop_decoder(batch=1)}, r"is tensor\(float\) \[1, 3\], expected"),
        ({"decoder": lambda: closed_loop_decoder(factor=np.nan)}, "gives an action that is not finite"),
        ({"decoder": lambda: closed_loop_decoder(factor=11.0)}, "gives an action that is .* from what was recorded"),
        ({"decoder": lambda: b"hello"}, "not an ONNX model"),
        ({"decoder": latent_model}, "its inputs are state, expected state, latent"),
        ({"prior": lambda: latent_model(limit=3.0)}, "skill_prior.onnx gives a latent that is"),
        ({"latent_size": 3, "probe": replace(DESCRIPTION.probe, latent=(0.5, 1.0, 0.0))}, "latent among its inputs"),
    ],
)
def test_graph_that_is_not_what_the_description_says_is_refused(tmp_path, parts, message):
    pytest.importorskip("onnx")
    made: dict = {name: part() if callable(part) else part for name, part in parts.items()}
    write_bundle(tmp_path / "small", is_known=False, **made)
    if message is None:
        load_bundle(tmp_path / "small")
        return
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path / "small")


def test_policy_knows_progress_and_its_limit(tmp_path):
    policy = LatentModelDescription(("state", "progress"), 3.0)
    bent = 3.0 * np.tanh(np.array([0.5, 1.0]) / 3.0)
    probe = replace(DESCRIPTION.probe, policy_latent=tuple(bent.tolist()))
    graph = latent_model(with_progress=True, limit=3.0)
    write_bundle(tmp_path / "small", policy=graph, describe={"policy": policy}, probe=probe)
    model = load_bundle(tmp_path / "small").policy
    assert model is not None
    mean, log_std, latent = model.distribution({"state": OBSERVATION}, completed=2)
    np.testing.assert_allclose(mean, [2.1, 2.2], rtol=1e-5)
    np.testing.assert_array_equal(log_std, [0.0, 0.0])
    np.testing.assert_allclose(latent, 3.0 * np.tanh(mean / 3.0), rtol=1e-5)


def test_open_loop_bundle_is_loaded(tmp_path):
    write_bundle(
        tmp_path / "small",
        decoder=open_loop_decoder(),
        describe={"decoder": DecoderDescription("open_loop", ("latent",))},
        probe=replace(DESCRIPTION.probe, action=(0.5, 1.0)),
    )
    bundle = load_bundle(tmp_path / "small")
    # The third step is three times the latent.
    np.testing.assert_allclose(bundle.decoder.decode(OBSERVATION, np.array([1.0, 2.0]), 2), [3.0, 6.0], rtol=1e-5)


def test_summary_names_what_matters(tmp_path):
    write_bundle(tmp_path / "small")
    text = summarise_bundle(load_bundle(tmp_path / "small"))
    for part in ("closed loop, 4 control steps (0.32 s)", "12.5 Hz", "| joint_b | 0 to 0.04 m |", "subtasks.mean 2.5"):
        assert part in text


def test_robot_process_loads_a_bundle_without_torch_rclpy_or_a_word(tmp_path):
    write_bundle(tmp_path / "small")
    code = (
        "import sys; sys.modules['torch'] = sys.modules['rclpy'] = sys.modules['onnx'] = None\n"
        "from spirl_ros.deployment.bundle import load_bundle\n"
        "import spirl_ros.control.skill_executor\n"
        f"bundle = load_bundle({str(tmp_path / 'small')!r})\n"
        "assert bundle.provider in ('cpu', 'cuda')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
