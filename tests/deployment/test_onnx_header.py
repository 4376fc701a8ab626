import pytest

from spirl_ros.deployment.onnx_header import operator_sets
from spirl_ros.errors import BundleError
from tests.deployment.small_bundle import closed_loop_decoder


def test_operator_sets_are_read_as_the_onnx_package_reads_them():
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(closed_loop_decoder())
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 300))
    assert operator_sets(model.SerializeToString()) == {"": 18, "com.example": 300}


def test_fields_by_hand():
    # Field 1 (IR version), a number: 8. Field 8, 2 bytes: field 2, a number: 18.
    assert operator_sets(bytes([0x08, 8, 0x42, 2, 0x10, 18])) == {"": 18}


@pytest.mark.parametrize("model", [b"hello", b"\x42", b"\x42\x05\x10", b"\x08" + b"\xff" * 20, b"\x42\x02\x0a\x80"])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(BundleError, match="not an ONNX model"):
        operator_sets(model)
