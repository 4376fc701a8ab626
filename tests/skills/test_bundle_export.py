from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

import onnxruntime
import torch

from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.deployment.bundle_description import LatentModelDescription
from spirl_ros.errors import BundleError
from spirl_ros.skills.bundle_export import BundleContents, export_bundle
from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.export_modules import SkillPriorModule, decoder_module
from spirl_ros.skills.skill_model import SkillModel
from tests.deployment.small_bundle import DESCRIPTION

OBSERVATIONS = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32) * 2.0 + 1.0
LATENTS = np.random.default_rng(1).standard_normal((12, 4)).astype(np.float32)


def make_model(**changes) -> SkillModel:
    config = SkillModelConfig(
        **{
            **{"skill_horizon": 4, "latent_size": 4, "encoder_hidden": 8, "encoder_layers": 1, "decoder_hidden": 8},
            **{"decoder_layers": 2, "prior_hidden": 8, "prior_layers": 2, **changes},
        }
    )
    torch.manual_seed(0)
    model = SkillModel(config, 3, 2, OBSERVATIONS.mean(axis=0), OBSERVATIONS.std(axis=0))
    for parameter in model.parameters():  # biases, first inputs and norms start at 0 or 1, where errors do not show
        parameter.data += 0.2 * torch.randn_like(parameter)
    model.train()
    with torch.no_grad():  # batch norm learns statistics
        model.losses(torch.from_numpy(OBSERVATIONS).unsqueeze(1).expand(-1, 4, -1), torch.randn(12, 4, 2))
    return model.eval()


def make_contents(model: SkillModel, **changes) -> BundleContents:
    decoder, description = decoder_module(model)
    shared = ("task", "target_subtasks", "control_rate_hz", "observation", "action", "joints", "origin", "evaluation")
    return BundleContents(
        **{
            **{name: getattr(DESCRIPTION, name) for name in shared},
            **{"name": "tiny", "skill_horizon": 4, "latent_size": 4},
            **{"decoder_description": description, "decoder": decoder, "prior": SkillPriorModule(model), **changes},
        }
    )


class Policy(torch.nn.Module):
    """Twice the prior's mean plus the progress, limited to 3."""

    def __init__(self, model: SkillModel) -> None:
        super().__init__()
        self.prior = SkillPriorModule(model)

    def forward(self, observation, progress):
        mean, log_std, _ = self.prior(observation)
        mean = 2.0 * mean + progress @ torch.arange(3.0).unsqueeze(1)
        return mean, log_std, 3.0 * torch.tanh(mean / 3.0)


@pytest.mark.parametrize(
    "architecture",
    [
        {"normalisation": "layer"},
        {"normalisation": "batch", "phase_input": True, "prior_components": 3},
        {"decoder": "open_loop", "standardise": False},
        {"decoder": "open_loop", "open_loop_decoder": "lstm", "normalisation": "none", "standardise": False},
    ],
    ids=["layer", "batch_phase_mixture", "open_loop", "open_loop_lstm"],
)
def test_bundle_computes_what_the_skill_model_computes(tmp_path: Path, architecture, capfd):
    model = make_model(**architecture)
    bundle = export_bundle(tmp_path / "tiny", make_contents(model), {"state": OBSERVATIONS})
    latents, observations = torch.from_numpy(LATENTS), torch.from_numpy(OBSERVATIONS)
    with torch.no_grad():
        # The same observation at all four steps of each skill.
        expected = model.decode_window(observations.unsqueeze(1).expand(-1, 4, -1), latents).numpy()
        prior = model.prior_at(observations).most_likely()
    for step in range(4):
        np.testing.assert_allclose(bundle.decoder.decode(OBSERVATIONS, LATENTS, step), expected[:, step], atol=1e-5)
    mean, log_std, latent = bundle.prior.distribution({"state": OBSERVATIONS})
    np.testing.assert_allclose(mean, prior.mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(log_std, prior.log_std.numpy(), atol=1e-5)
    np.testing.assert_array_equal(latent, mean)
    assert capfd.readouterr() == ("", "")


def test_decoder_with_phase_also_runs_with_observation_and_latent_alone(tmp_path: Path):
    """Others drive a bundle by its first two inputs; the graph then takes the phase as not known."""
    model = make_model(phase_input=True)
    export_bundle(tmp_path / "tiny", make_contents(model), {"state": OBSERVATIONS})
    session = onnxruntime.InferenceSession(tmp_path / "tiny" / "skill_decoder.onnx")
    assert [node.name for node in session.get_inputs()] == ["state", "latent"]
    found = np.asarray(session.run(["action"], {"state": OBSERVATIONS, "latent": LATENTS})[0])
    with torch.no_grad():
        unknown = model._decode_steps(
            model.standardise(torch.from_numpy(OBSERVATIONS)).unsqueeze(1),
            torch.from_numpy(LATENTS),
            None,
            torch.zeros(len(LATENTS), dtype=torch.bool),
        )[:, 0]
    np.testing.assert_allclose(found, unknown.numpy(), atol=1e-5)


@pytest.mark.slow
def test_policy_with_progress_is_exported(tmp_path: Path):
    model = make_model()
    policy = Policy(model)
    contents = make_contents(
        model, policy=policy, policy_description=LatentModelDescription(("state", "progress"), 3.0)
    )
    bundle = export_bundle(tmp_path / "tiny", contents, {"state": OBSERVATIONS})
    assert bundle.policy is not None
    with torch.no_grad():
        expected = policy(torch.from_numpy(OBSERVATIONS[:1]), torch.tensor([[0.0, 0.0, 1.0]]))
    found = bundle.policy.distribution({"state": OBSERVATIONS[0]}, completed=2)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-5)


def test_written_bundle_loads_again_and_names_no_path_of_the_machine(tmp_path: Path):
    bundle = export_bundle(tmp_path / "tiny", make_contents(make_model()), {"state": OBSERVATIONS})
    assert load_bundle(tmp_path / "tiny").digest == bundle.digest
    for path in (tmp_path / "tiny").iterdir():
        content = path.read_bytes()
        assert b"site-packages" not in content and str(Path(__file__).parents[2]).encode() not in content


@pytest.mark.slow
def test_nothing_is_replaced_without_force_and_other_files_stay_with_it(tmp_path: Path):
    folder = tmp_path / "tiny"
    contents = make_contents(make_model())
    first = export_bundle(folder, contents, {"state": OBSERVATIONS})
    (folder / "learning_curve.csv").write_text("1,2\n")
    with pytest.raises(BundleError, match="exists already. Choose another, or use --force"):
        export_bundle(folder, contents, {"state": OBSERVATIONS})
    second = export_bundle(folder, replace(contents, name="other"), {"state": OBSERVATIONS}, force=True)
    assert second.description.name == "other" and second.digest != first.digest
    assert second.description.files == first.description.files  # the same weights give the same bytes
    assert (folder / "learning_curve.csv").read_text() == "1,2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_force_does_not_replace_a_folder_that_is_no_bundle(tmp_path: Path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(BundleError, match="holds no bundle.yaml"):
        export_bundle(tmp_path / "notes", make_contents(make_model()), {"state": OBSERVATIONS}, force=True)
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"


class ExportedWrongly(torch.nn.Module):
    """Its graph is off by 1e-4, as with an operator that the exporter translates badly."""

    def forward(self, observation, latent):
        return observation[:, :2] + latent[:, :2] + (1e-4 if torch.compiler.is_exporting() else 0.0)


def test_graph_that_differs_from_torch_is_refused_and_nothing_is_left(tmp_path: Path):
    with pytest.raises(BundleError, match=r"action is .* from torch's, expected at most 1e-05. Nothing was written"):
        export_bundle(
            tmp_path / "tiny",
            make_contents(make_model(phase_input=False), decoder=ExportedWrongly()),
            {"state": OBSERVATIONS},
        )
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_refused(tmp_path: Path):
    model = make_model()
    next(model.decoder.parameters()).data[0, 0] = float("nan")
    with pytest.raises(BundleError, match="nan from torch's"):
        export_bundle(tmp_path / "tiny", make_contents(model), {"state": OBSERVATIONS})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("observations", [OBSERVATIONS[:1], OBSERVATIONS[:, :2], np.full((3, 3), np.nan)])
def test_observations_that_prove_nothing_are_refused(tmp_path: Path, observations):
    with pytest.raises(BundleError, match="state"):
        export_bundle(tmp_path / "tiny", make_contents(make_model()), {"state": observations})
