"""Turns a torch module into an ONNX file."""

import inspect
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

_EXPORTED = "input."
"""Before the names of inputs while a module is exported."""
OPSET = 18
"""What torch's exporter writes without converting; ONNX Runtime reads it since 1.14."""


def export_module(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], defaults: Mapping[str, float] | None = None
) -> bytes:
    """An ONNX file for a module: one self-contained graph with a free batch axis, without paths of this machine.

    Args:
        module: in evaluation mode.
        inputs: examples (B, ...) by name, in the order of its forward, B at least 2.
        outputs: names of what it gives.
        defaults: for inputs (B, 1) that a caller may leave out, what they are then. The module has to broadcast them.
    """
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in inputs)
    parameters = inspect.signature(module.forward).parameters.values()
    takes_any_number = any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters)
    with _quiet_exporter():
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            input_names=[_EXPORTED + name for name in inputs],
            output_names=list(outputs),
            opset_version=OPSET,
            dynamic_shapes=(shapes,) if takes_any_number else shapes,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for entry in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del entry.metadata_props[:]  # stack traces, with the paths of this machine
        entry.doc_string = ""
    _name_inputs(model.graph)
    for name, value in (defaults or {}).items():
        # An initializer with the name of an input is the value of that input where a caller gives none.
        model.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, (1, 1), [value]))
        # Its batch axis has a name of its own: ONNX Runtime reuses buffers of axes with the same name as equally long.
        given = next(node for node in model.graph.input if node.name == name)
        given.type.tensor_type.shape.dim[0].dim_param = f"{name}_batch"
        del model.graph.value_info[:]  # follow from the inputs
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _name_inputs(graph: onnx.GraphProto) -> None:
    """Give the inputs their names; what the exporter named so inside, such as `view`, gets another."""
    inputs = {node.name: node.name.removeprefix(_EXPORTED) for node in graph.input}
    names = {**{name: f"{name}_inside" for name in inputs.values()}, **inputs}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)


@contextmanager
def _quiet_exporter():
    """Keep what the exporter says about packages we do not use off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
