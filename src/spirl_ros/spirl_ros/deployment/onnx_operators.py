"""Which graphs a bundle may hold: those whose time and memory follow from their weights and the batch size alone.

A graph runs within a control step. One with a loop, or with a tensor as large as a measured value says, can be quick whenever
it is tried and stand still, or take all memory, while an arm moves. So operators are named here, and every other is refused.
Numbers of fields are those of onnx.proto3.
"""

from collections.abc import Iterator

from spirl_ros.deployment.onnx_header import fields
from spirl_ros.errors import BundleError
from spirl_ros.plain_yaml import printable

MOST_NODES = 10_000

_BY_ELEMENT = """Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift Cast CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf
Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min
Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Tan Tanh
ThresholdedRelu Where Xor""".split()
_OVERALL = """ArgMax ArgMin BatchNormalization Concat Constant CumSum Dropout Einsum Flatten GRU Gather GatherElements GatherND
Gemm GroupNormalization Hardmax InstanceNormalization LSTM LayerNormalization LogSoftmax LpNormalization MatMul
MeanVarianceNormalization RNN ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum ReduceSumSquare Reshape ScatterElements ScatterND Shape Size Slice Softmax Split Squeeze TopK Transpose Trilu
Unsqueeze""".split()
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

_GRAPH, _FUNCTIONS = 7, 25
_NODE, _INITIALIZER, _INPUT, _SPARSE_INITIALIZER = 1, 5, 11, 15
_NODE_INPUT, _NODE_OUTPUT, _OPERATOR, _ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE, _SPARSES = 5, 6, 10, 11, 22, 23
_TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_VALUE_NAME = 1


def check_operators(model: bytes) -> None:
    """Refuse a graph that may take any time or memory, or that reads further files; nothing of it is run.

    Args:
        model: the ONNX file's bytes.

    Raises:
        BundleError: what it holds that it may not.
    """
    try:
        for number, value in fields(memoryview(model)):
            if number == _FUNCTIONS:
                raise BundleError("it defines functions of its own. Export it without.")
            if number == _GRAPH and isinstance(value, memoryview):
                _check_graph(value)
    except (IndexError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"it is not an ONNX model: {error}.") from error


def _check_graph(graph: memoryview) -> None:
    measured: list[bytes] = []
    readers: dict[bytes, list[memoryview]] = {}
    nodes = 0
    for number, value in _messages(graph):
        if number == _SPARSE_INITIALIZER:
            raise BundleError("it has sparse weights. Export them as plain ones.")
        if number == _INPUT:
            measured += map(bytes, _parts(value, _VALUE_NAME))
        elif number == _INITIALIZER:
            _check_tensor(value)
        elif number == _NODE:
            nodes += 1
            if nodes > MOST_NODES:
                raise BundleError(f"it has more than {MOST_NODES} nodes. Train a smaller network.")
            _check_node(value)
            if _operator(value) not in ("Shape", "Size"):  # these tell sizes, which follow from the batch alone
                for name in _parts(value, _NODE_INPUT):
                    readers.setdefault(bytes(name), []).append(value)
    _check_sizes(measured, readers)


def _check_sizes(measured: list[bytes], readers: dict[bytes, list[memoryview]]) -> None:
    """Follow what is measured through the graph, in whichever order its nodes are listed."""
    while measured:
        name = measured.pop()
        for node in readers.pop(name, ()):
            operator = _operator(node)
            inputs = [bytes(other) for other in _parts(node, _NODE_INPUT)]
            if any(inputs[index : index + 1] == [name] for index in _SIZED_BY.get(operator, ())):
                raise BundleError(
                    f"how much its operator {operator} gives depends on what is measured. Give it a fixed size and "
                    "export again."
                )
            measured += map(bytes, _parts(node, _NODE_OUTPUT))


def _check_node(node: memoryview) -> None:
    operator, domain = _operator(node), b"".join(_parts(node, _NODE_DOMAIN))
    if operator not in OPERATORS or domain not in (b"", b"ai.onnx"):
        raise BundleError(
            f"operator {printable(operator, limit=60)} is not one that a graph of a bundle may have, because its time or "
            "size need not be bounded. Build the network of other layers and export it again."
        )
    for attribute in _parts(node, _ATTRIBUTE):
        for number, value in _messages(attribute):
            if number in (_SUBGRAPH, _SUBGRAPHS, _SPARSE, _SPARSES):
                raise BundleError(f"its operator {operator} holds a graph of its own. Export it without.")
            if number in (_TENSOR, _TENSORS):
                _check_tensor(value)


def _operator(node: memoryview) -> str:
    return b"".join(_parts(node, _OPERATOR)).decode(errors="replace")


def _check_tensor(tensor: memoryview) -> None:
    for number, value in fields(tensor):
        if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
            name = b"".join(_parts(tensor, _TENSOR_NAME)).decode(errors="replace")
            raise BundleError(
                f"the values of {printable(name, limit=60)} are in another file. A bundle's graph holds its weights itself: "
                "export it again."
            )


def _messages(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, value in fields(message):
        if isinstance(value, memoryview):
            yield number, value


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    return (value for number, value in _messages(message) if number == wanted)
