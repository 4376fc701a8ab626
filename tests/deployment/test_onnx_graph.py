import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import onnxruntime

from spirl_ros.deployment import onnx_graph
from spirl_ros.errors import BundleError, ConfigError
from tests.deployment.small_bundle import closed_loop_decoder

INPUTS = {"state": np.zeros((1, 3), np.float32), "latent": np.ones((1, 2), np.float32)}


def test_session_that_works_is_taken():
    session = onnx_graph.open_session(closed_loop_decoder())
    np.testing.assert_array_equal(session.run(None, INPUTS)[0], [[10.0, 10.0]])


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_cuda_that_is_offered_but_does_not_work_gives_way_to_the_cpu_without_a_word(monkeypatch, capfd):
    """onnxruntime-gpu on a machine without a driver lists CUDA all the same."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA may really work here")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [onnx_graph.CUDA, onnx_graph.CPU])
    session = onnx_graph.open_session(closed_loop_decoder(), "auto")
    assert session.get_providers() == [onnx_graph.CPU]
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ConfigError, match="provider is 'cuda', but that does not work here"):
        onnx_graph.open_session(closed_loop_decoder(), "cuda")


def test_unknown_provider_lists_the_known_ones():
    with pytest.raises(ConfigError, match="expected one of cpu, cuda, auto"):
        onnx_graph.open_session(b"", "tpu")


def test_what_is_no_model_is_refused():
    with pytest.raises(BundleError, match="ONNX Runtime does not take it"):
        onnx_graph.open_session(b"hello")
