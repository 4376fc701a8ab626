"""Which graphs a bundle may hold: those whose time and memory follow from their weights and the batch size alone.

A graph runs within a control step. One with a loop, or with a tensor as large as a measured value says, can be quick
whenever
it is tried and stand still, or take all memory, while an arm moves. So operators are named here, and every other is
refused.
"""

from collections.abc import Iterable

from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from spirl_ros.errors import BundleError
from spirl_ros.files.plain_yaml import printable

MOST_NODES = 10_000

_BY_ELEMENT = """Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift Cast CastLike Ceil Celu Clip Cos Cosh Div Elu
Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual
Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign
Sqrt Sub Sum Tan Tanh ThresholdedRelu Where Xor""".split()
_OVERALL = """ArgMax ArgMin BatchNormalization Concat Constant Conv CumSum Dropout Einsum Flatten GRU Gather
GatherElements GatherND Gemm GroupNormalization Hardmax InstanceNormalization LSTM LayerNormalization LogSoftmax
LpNormalization MatMul MaxPool MeanVarianceNormalization RNN ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Reshape ScatterElements ScatterND Shape Size Slice Softmax
Split Squeeze TopK Transpose Trilu Unsqueeze""".split()
_SIZED_BY: dict[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Tile": (1,),
}
"""Inputs that say how large the output is; they must not depend on what is measured."""
OPERATORS = frozenset((*_BY_ELEMENT, *_OVERALL, *_SIZED_BY))


def check_operators(content: bytes, opset: int) -> None:
    """Refuse a graph that may take any time or memory, or that reads further files; nothing of it is run.

    Reading alone can take 130 times a hostile file's size, so this is for the process with limits.

    Args:
        content: the ONNX file's bytes.
        opset: the operator set that it must use, and no other domain's.

    Raises:
        BundleError: what it holds that it may not.
    """
    try:
        model = ModelProto.FromString(content)
    except DecodeError:
        raise BundleError("it is not an ONNX model. Copy the bundle again, or export it again.") from None
    if [(entry.domain, entry.version) for entry in model.opset_import] != [("", opset)]:
        sets = ", ".join(f"{printable(e.domain, limit=60) or 'ai.onnx'} {e.version}" for e in model.opset_import[:5])
        raise BundleError(f"its operator sets are {sets or 'none'}, expected ai.onnx {opset} alone. Export again.")
    if model.functions:
        raise BundleError("it defines functions of its own. Export it without.")
    if model.graph.sparse_initializer:
        raise BundleError("it has sparse weights. Export them as plain ones.")
    if len(model.graph.node) > MOST_NODES:
        raise BundleError(f"it has more than {MOST_NODES} nodes. Train a smaller network.")
    _check_tensors(model.graph.initializer)
    for node in model.graph.node:
        _check_node(node)
    _check_sizes(model.graph)


def _check_node(node: NodeProto) -> None:
    if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
        raise BundleError(
            f"operator {printable(node.op_type, limit=60)} is not one that a graph of a bundle may have, because "
            "its time or size need not be bounded. Build the network of other layers and export it again."
        )
    for attribute in node.attribute:
        sparse = attribute.HasField("sparse_tensor") or attribute.sparse_tensors
        if attribute.HasField("g") or attribute.graphs or sparse:
            raise BundleError(f"its operator {node.op_type} holds a graph of its own. Export it without.")
        _check_tensors((attribute.t, *attribute.tensors))


def _check_tensors(tensors: Iterable[TensorProto]) -> None:
    for tensor in tensors:
        if tensor.external_data or tensor.data_location != TensorProto.DEFAULT:
            raise BundleError(
                f"the values of {printable(tensor.name, limit=60)} are in another file. A bundle's graph holds its "
                "weights itself: export it again."
            )


def _check_sizes(graph: GraphProto) -> None:
    """Follow what is measured through the graph, in whichever order its nodes are listed."""
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        if node.op_type not in ("Shape", "Size"):  # these tell sizes, which follow from the batch alone
            for name in node.input:
                readers.setdefault(name, []).append(node)
    measured = [value.name for value in graph.input]
    while measured:
        name = measured.pop()
        for node in readers.pop(name, ()):
            if any(list(node.input[index : index + 1]) == [name] for index in _SIZED_BY.get(node.op_type, ())):
                raise BundleError(
                    f"how much its operator {node.op_type} gives depends on what is measured. Give it a fixed size and "
                    "export again."
                )
            measured += node.output
