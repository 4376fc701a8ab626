"""One ONNX graph with known inputs and outputs, on the processor that works, run with buffers that are bound once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from spirl_ros.errors import BundleError, ConfigError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PROVIDERS = {"cpu": (CPU,), "cuda": (CUDA,), "auto": (CUDA, CPU)}
"""What a caller asks for, and what is then tried in turn."""

_FATAL_ONLY = 4
_ERRORS, _WARNINGS = 3, 2
"""Sessions report errors alone: a graph's optional input is worth a warning to ONNX Runtime, not to us."""

Shape = tuple[int, ...]
"""Without the batch axis, which comes first."""

_ONNX_TYPES = {"float32": "float", "uint8": "uint8"}
"""What ONNX calls types of numpy."""
_MOST_BATCH_SIZES = 16
"""Buffers are kept for so many batch sizes."""


@dataclass(frozen=True)
class _Binding:
    """Buffers of one batch size, and ONNX Runtime's view of them."""

    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    native: Any


class OnnxGraph:
    """Runs a graph for any batch size. Not thread-safe: a `copy` for each thread shares the session."""

    def __init__(
        self,
        model: bytes,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
        provider: str = "auto",
        dtypes: Mapping[str, Any] = {},
    ) -> None:
        """Open a session and check that the graph is what the bundle says.

        Args:
            model: the ONNX file's bytes.
            inputs: name and shape of each input, in order.
            outputs: likewise, float32.
            provider: see `open_session`.
            dtypes: of the inputs that are not float32, by name.

        Raises:
            BundleError: another interface, or no ONNX model.
            ConfigError: the provider does not work here.
        """
        self._session = open_session(model, provider)
        self._inputs, self._outputs = dict(inputs), dict(outputs)
        self._dtypes = {name: np.dtype(dtypes.get(name, np.float32)) for name in self._inputs}
        self._bindings: dict[int, _Binding] = {}
        optional = self._session.get_overridable_initializers()
        _check_nodes("inputs", [*self._session.get_inputs(), *optional], self._inputs, self._dtypes)
        _check_nodes("outputs", self._session.get_outputs(), self._outputs)

    @property
    def provider(self) -> str:
        """Where it runs: `cpu` or `cuda`."""
        return self._session.get_providers()[0].removesuffix("ExecutionProvider").lower()

    def copy(self) -> "OnnxGraph":
        """The same graph with buffers of its own, for another thread."""
        twin = object.__new__(OnnxGraph)
        twin.__dict__.update(self.__dict__, _bindings={})
        return twin

    def run(self, *values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run on one array (B, ...) per input, in order; returns new arrays (B, ...), one per output."""
        binding = self._bindings.get(len(values[0]))
        if binding is None:
            binding = self._bind(len(values[0]))
        for buffer, value in zip(binding.inputs, values, strict=True):
            buffer[...] = value
        self._session.run_with_iobinding(binding.native)
        return tuple([buffer.copy() for buffer in binding.outputs])

    def run_single(self, *values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run on one array per input without the batch axis; outputs come without it too. The quick way for a robot."""
        binding = self._bindings.get(1)
        if binding is None:
            binding = self._bind(1)
        for buffer, value in zip(binding.inputs, values, strict=True):
            buffer[0] = value
        self._session.run_with_iobinding(binding.native)
        return tuple([buffer[0].copy() for buffer in binding.outputs])

    def _bind(self, batch: int) -> _Binding:
        """Bind new buffers; ONNX Runtime uses numpy's memory from then on, also when it computes on a GPU."""
        if len(self._bindings) >= _MOST_BATCH_SIZES:
            self._bindings.clear()
        native = self._session.io_binding()
        inputs = tuple(np.zeros((batch, *shape), self._dtypes[name]) for name, shape in self._inputs.items())
        outputs = tuple(np.zeros((batch, *shape), np.float32) for shape in self._outputs.values())
        for name, array in zip(self._inputs, inputs, strict=True):
            native.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in zip(self._outputs, outputs, strict=True):
            native.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        self._bindings[batch] = _Binding(inputs, outputs, native)
        return self._bindings[batch]


def _check_nodes(
    what: str, nodes: Sequence[onnxruntime.NodeArg], expected: dict[str, Shape], dtypes: Mapping[str, np.dtype] = {}
) -> None:
    """Compare names, order, type and shape; the batch axis must have no fixed size."""
    names = [node.name for node in nodes]
    if names != list(expected):
        raise BundleError(
            f"its {what} are {', '.join(names)}, expected {', '.join(expected)} in this order. Export again."
        )
    for node in nodes:
        batch, *shape = node.shape or [None]
        is_dynamic = not isinstance(batch, int)
        kind = f"tensor({_ONNX_TYPES[dtypes.get(node.name, np.dtype(np.float32)).name]})"
        if node.type != kind or not is_dynamic or tuple(shape) != expected[node.name]:
            raise BundleError(
                f"{node.name} among its {what} is {node.type} {node.shape}, expected {kind} "
                f"['batch', {', '.join(map(str, expected[node.name]))}]. Export again."
            )


def open_session(model: bytes, provider: str = "auto") -> onnxruntime.InferenceSession:
    """A session for a model; `get_providers()[0]` of it says where it runs.

    `auto` takes CUDA where ONNX Runtime has it *and* a session with it really runs this model, else the CPU, without a
    word on standard error: a package with CUDA on a machine without is no fault.

    Args:
        model: the ONNX file's bytes; weights in further files are not looked for.
        provider: `auto`, `cpu` or `cuda`.

    Raises:
        BundleError: ONNX Runtime does not take the model.
        ConfigError: an unknown provider, or CUDA was asked for and does not work.
    """
    if provider not in PROVIDERS:
        raise ConfigError(f"provider is '{provider}', expected one of {', '.join(PROVIDERS)}.")
    reason = "this ONNX Runtime has no CUDA"
    if provider != "cpu" and CUDA in onnxruntime.get_available_providers():
        onnxruntime.set_default_logger_severity(_FATAL_ONLY)
        try:
            session = _session(model, [(CUDA, {"use_tf32": "0"}), CPU], _FATAL_ONLY)
            if session.get_providers()[0] == CUDA:
                _run_once(session)
                return session
            reason = "it fell back to the CPU"
        except Exception as error:  # Whatever the driver or the libraries do not like; the CPU remains.
            reason = str(error).splitlines()[0]
        finally:
            onnxruntime.set_default_logger_severity(_WARNINGS)
    if provider == "cuda":
        raise ConfigError(
            f"provider is 'cuda', but that does not work here: {reason}. Install onnxruntime-gpu and a driver, "
            "or set provider to 'auto'."
        )
    try:
        return _session(model, [CPU], _ERRORS)
    except Exception as error:  # ONNX Runtime has an exception of its own for every kind of bad model.
        raise BundleError(f"ONNX Runtime does not take it: {str(error).splitlines()[0]}") from error


def _session(model: bytes, providers: list, severity: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One thread: handing a layer of 10 µs to a pool costs more than it saves, and spinning workers burn a core.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = severity
    return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)


def _run_once(session: onnxruntime.InferenceSession) -> None:
    """Run with zeros; the batch axis, which has a name instead of a size, is 1."""
    types = {f"tensor({name})": np.dtype(dtype) for dtype, name in _ONNX_TYPES.items()}
    inputs = {
        node.name: np.zeros([size if isinstance(size, int) else 1 for size in node.shape], types[node.type])
        for node in session.get_inputs()
    }
    session.run(None, inputs)
