"""One ONNX graph with known inputs and outputs, run with buffers that are bound once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from spirl_ros.deployment.onnx_header import operator_sets
from spirl_ros.deployment.onnx_session import open_session
from spirl_ros.errors import BundleError

Shape = tuple[int, ...]
"""Without the batch axis, which comes first."""

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
        opset: int,
        provider: str = "auto",
    ) -> None:
        """Open a session and check that the graph is what the bundle says.

        Args:
            model: the ONNX file's bytes.
            inputs: name and shape of each input, float32, in order.
            outputs: likewise.
            opset: the operator set it must use, and no other domain's.
            provider: see `open_session`.

        Raises:
            BundleError: another interface, another operator set, or no ONNX model.
            ConfigError: the provider does not work here.
        """
        sets = operator_sets(model)
        if sets != {"": opset}:
            found = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in sets.items()) or "none"
            raise BundleError(f"its operator sets are {found}, expected ai.onnx {opset} alone. Export again.")
        self._session = open_session(model, provider)
        self._inputs, self._outputs = dict(inputs), dict(outputs)
        self._bindings: dict[int, _Binding] = {}
        optional = self._session.get_overridable_initializers()
        _check_nodes("inputs", [*self._session.get_inputs(), *optional], self._inputs)
        _check_nodes("outputs", self._session.get_outputs(), self._outputs)

    @property
    def provider(self) -> str:
        """Where it runs: `cpu` or `cuda`."""
        return self._session.get_providers()[0].removesuffix("ExecutionProvider").lower()

    def copy(self) -> "OnnxGraph":
        """The same graph with buffers of its own, for another thread."""
        twin = object.__new__(OnnxGraph)
        twin._session, twin._inputs, twin._outputs, twin._bindings = self._session, self._inputs, self._outputs, {}
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
        """Bind new buffers; ONNX Runtime reads and writes numpy's memory from then on, also when it computes on a GPU."""
        if len(self._bindings) >= _MOST_BATCH_SIZES:
            self._bindings.clear()
        native = self._session.io_binding()
        inputs = tuple(np.zeros((batch, *shape), np.float32) for shape in self._inputs.values())
        outputs = tuple(np.zeros((batch, *shape), np.float32) for shape in self._outputs.values())
        for name, array in zip(self._inputs, inputs, strict=True):
            native.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in zip(self._outputs, outputs, strict=True):
            native.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        self._bindings[batch] = _Binding(inputs, outputs, native)
        return self._bindings[batch]


def _check_nodes(what: str, nodes: Sequence[onnxruntime.NodeArg], expected: dict[str, Shape]) -> None:
    """Compare names, order, type and shape; the batch axis must have no fixed size."""
    names = [node.name for node in nodes]
    if names != list(expected):
        raise BundleError(
            f"its {what} are {', '.join(names)}, expected {', '.join(expected)} in this order. Export again."
        )
    for node in nodes:
        batch, *shape = node.shape or [None]
        is_dynamic = not isinstance(batch, int)
        if node.type != "tensor(float)" or not is_dynamic or tuple(shape) != expected[node.name]:
            raise BundleError(
                f"{node.name} among its {what} is {node.type} {node.shape}, expected tensor(float) "
                f"['batch', {', '.join(map(str, expected[node.name]))}]. Export again."
            )
