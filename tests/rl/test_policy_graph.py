import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from torch import nn  # noqa: E402

from spirl_ros.deployment.onnx_graph import OnnxGraph  # noqa: E402
from spirl_ros.rl.networks import HighLevelPolicy  # noqa: E402
from spirl_ros.rl.policy_graph import GRAPH_FILE, PolicyGraph  # noqa: E402
from spirl_ros.rl.policy_module import PolicyModule  # noqa: E402
from spirl_ros.rl.sight import Sight, StateSight  # noqa: E402
from spirl_ros.skills.networks import Standardiser, make_mlp  # noqa: E402
from spirl_ros.training_folder import TrainingFolder  # noqa: E402

DO, DZ, K = 6, 2, 4
OUTPUTS: dict[str, tuple[int, ...]] = dict.fromkeys(("mean", "log_std", "latent"), (DZ,))


def make_policy(normalisation: str = "none", progress: int = K + 1, limit: float | None = 2.0) -> HighLevelPolicy:
    torch.manual_seed(0)
    return HighLevelPolicy(make_mlp(DO, 2 * DZ, 8, 3, normalisation), progress, limit)


def assert_same(graph: PolicyGraph, sight: Sight, policy: HighLevelPolicy) -> None:
    """Compare with torch, each progress once."""
    observations = torch.randn(K + 1, DO)
    inputs = [observations, torch.eye(K + 1)][: len(graph.description.inputs)]
    sizes = dict(zip(graph.description.inputs, [(DO,), (K + 1,)], strict=False))
    found = OnnxGraph(graph.model(), sizes, OUTPUTS, "cpu").run(*(value.numpy() for value in inputs))
    with torch.no_grad():
        expected = PolicyModule(sight, policy)(*inputs)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("normalisation", "progress", "limit"), [("none", K + 1, 2.0), ("layer", K + 1, 2.0), ("none", 0, None)]
)
def test_each_model_is_the_policy_as_it_is_then(tmp_path, normalisation: str, progress: int, limit) -> None:
    """The weights of a new policy's progress and biases are 0: an exporter that drops them leaves no place for later
    ones."""
    sight = StateSight(Standardiser(np.arange(DO), np.arange(1, DO + 1)), DO)
    policy = make_policy(normalisation, progress, limit)
    graph = PolicyGraph(TrainingFolder(tmp_path), sight, policy)
    assert_same(graph, sight, policy)
    first = graph.model()
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.1 * torch.randn_like(weight)
    assert_same(graph, sight, policy)
    assert graph.model() != first


def test_graph_is_exported_once_for_a_run_and_again_where_the_file_is_anothers(tmp_path, monkeypatch) -> None:
    folder, sight = TrainingFolder(tmp_path), StateSight(nn.Identity(), DO)
    PolicyGraph(folder, sight, make_policy())
    exported = (tmp_path / GRAPH_FILE).read_bytes()
    with monkeypatch.context() as context:
        context.setattr("spirl_ros.rl.policy_graph.export_module", lambda *_: pytest.fail("exported again"))
        again = PolicyGraph(folder, sight, make_policy())
        assert_same(again, sight, make_policy())
    other = make_policy(limit=3.0)  # the same weights, another graph
    assert_same(PolicyGraph(folder, sight, other), sight, other)
    assert (tmp_path / GRAPH_FILE).read_bytes() != exported


def test_export_leaves_the_learners_randomness_alone(tmp_path) -> None:
    policy = make_policy()
    state = torch.get_rng_state()
    PolicyGraph(TrainingFolder(tmp_path), StateSight(nn.Identity(), DO), policy)
    assert torch.equal(torch.get_rng_state(), state)
