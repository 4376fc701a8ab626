"""A learning policy as an ONNX file, again and again: export takes seconds, new weights a millisecond."""

import copy

import numpy as np
import onnx
import torch
from torch import nn

from spirl_ros.deployment.bundle_description import LatentModelDescription
from spirl_ros.deployment.onnx_graph import open_session
from spirl_ros.deployment.onnx_policy import LatentDistribution
from spirl_ros.errors import TrainingError
from spirl_ros.rl.networks import HighLevelPolicy
from spirl_ros.rl.policy_module import PolicyModule, policy_inputs
from spirl_ros.rl.sight import Sight
from spirl_ros.skills.onnx_conversion import export_module
from spirl_ros.training_folder import TrainingFolder

GRAPH_FILE = "policy_graph.onnx"
"""In a run's folder: the graph with some weights or other, so that a run that goes on need not export it again."""
_LARGEST_DIFFERENCE = 1e-4
"""Between torch and ONNX Runtime, absolute and relative, on weights and observations of order 1."""


class PolicyGraph:
    """The graph of a run's policy, with exactly the inputs and outputs of a bundle's policy.onnx."""

    def __init__(self, folder: TrainingFolder, sight: Sight, policy: HighLevelPolicy) -> None:
        """Take the graph that the folder has, or export it into the folder.

        Args:
            folder: of the run.
            sight: from raw observations to what the policy sees.
            policy: not changed.

        Raises:
            TrainingError: what was exported differs from torch.
        """
        names = policy_inputs(sight, policy)
        self.description = LatentModelDescription(names, policy.latent_limit)
        self._sight, self._policy = sight, policy
        path = folder.folder / GRAPH_FILE
        example = _example(sight, policy)
        if path.is_file():
            self._graph = onnx.load_from_string(path.read_bytes())
            if self._is_policys(example):
                return
        # Of weights that differ all from one another: the exporter drops what is 0 or 1 and shares what is equal.
        module = _with_random_weights(PolicyModule(sight, policy)).eval()
        graph = export_module(module, dict(zip(names, example, strict=True)), LatentDistribution._fields)
        self._graph = onnx.load_from_string(graph)
        if not self._is_policys(example):
            raise TrainingError("the policy in ONNX differs from torch's. Use layers that torch exports exactly.")
        folder.write(GRAPH_FILE, lambda path: path.write_bytes(graph))

    def model(self) -> bytes:
        """The ONNX file of the policy as it is now."""
        weights = self._weights()
        for tensor in self._graph.graph.initializer:
            if tensor.name in weights:
                tensor.raw_data = weights[tensor.name].tobytes()
        return self._graph.SerializeToString(deterministic=True)

    def _weights(self) -> dict[str, np.ndarray]:
        """What PolicyModule calls its weights, without copying them there."""
        parts = {"standardise": self._sight.more, "policy": self._policy}
        return {
            f"{part}.{name}": np.ascontiguousarray(value.detach().numpy())
            for part, module in parts.items()
            for name, value in module.state_dict().items()
        }

    def _is_policys(self, example: tuple[torch.Tensor, ...]) -> bool:
        """Whether every weight has its place in the graph, and the graph gives what torch does."""
        if tuple(node.name for node in self._graph.graph.input) != self.description.inputs:
            return False
        places = {tensor.name: tuple(tensor.dims) for tensor in self._graph.graph.initializer}
        if any(places.get(name) != value.shape for name, value in self._weights().items()):
            return False
        given = {name: value.numpy() for name, value in zip(self.description.inputs, example, strict=True)}
        found = open_session(self.model(), "cpu").run(list(LatentDistribution._fields), given)
        with torch.no_grad():
            expected = PolicyModule(self._sight, self._policy).eval()(*example)
        return all(
            np.allclose(np.asarray(ours), theirs, _LARGEST_DIFFERENCE, _LARGEST_DIFFERENCE)
            for ours, theirs in zip(found, expected, strict=True)
        )


def _example(sight: Sight, policy: HighLevelPolicy) -> tuple[torch.Tensor, ...]:
    """Some values (B, ...) of each field, with all progress (B, K+1) where the policy sees it."""
    count, generator = max(2, policy.progress_values), torch.Generator().manual_seed(0)
    observations = []
    for name in sight.names:
        zeros = sight.example[name]
        size = (count, *zeros.shape)
        is_picture = zeros.dtype == np.uint8
        observations.append(
            torch.randint(256, size, generator=generator, dtype=torch.uint8)
            if is_picture
            else torch.randn(size, generator=generator)
        )
    return (*observations, torch.eye(count)) if policy.progress_values else tuple(observations)


def _with_random_weights(module: nn.Module) -> nn.Module:
    module, generator = copy.deepcopy(module), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in module.state_dict().values():
            value.normal_(generator=generator)
            if value.dim() == 4:  # of a convolution, each of whose values is a sum of hundreds
                value /= value[0].numel() ** 0.5
    return module
