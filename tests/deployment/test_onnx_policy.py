from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.deployment.bundle_description import DecoderDescription, LatentModelDescription
from spirl_ros.deployment.onnx_policy import OnnxOpenLoopDecoder, limit_latent, load_decoder, load_policy, load_prior
from spirl_ros.errors import BundleError, SkillError
from tests.deployment.small_bundle import DESCRIPTION, closed_loop_decoder, latent_model, make_model, open_loop_decoder

OPEN_LOOP = replace(DESCRIPTION, decoder=DecoderDescription("open_loop", ("latent",)))
PHASED = replace(DESCRIPTION, decoder=DecoderDescription("closed_loop", ("state", "latent", "phase")))
OBSERVATIONS = np.arange(6.0).reshape(2, 3)
LATENTS = np.array([[1.0, 2.0], [3.0, 4.0]])


def test_batch_gives_what_its_rows_give():
    decoder = load_decoder(closed_loop_decoder(), DESCRIPTION)
    actions = decoder.decode(OBSERVATIONS, LATENTS, 0)
    # 0 + 10, 1 + 20; 3 + 30, 4 + 40.
    np.testing.assert_array_equal(actions, [[10.0, 21.0], [33.0, 44.0]])
    for row in range(2):
        np.testing.assert_array_equal(decoder.decode(OBSERVATIONS[row], LATENTS[row], 0), actions[row])


def test_phase_is_the_share_of_the_skill_that_has_passed():
    decoder = load_decoder(closed_loop_decoder(with_phase=True), PHASED)
    # Step 3 of 4: 100 x 0.75 more.
    np.testing.assert_array_equal(decoder.decode(OBSERVATIONS[0], LATENTS[0], 3), [85.0, 96.0])
    np.testing.assert_array_equal(decoder.decode(OBSERVATIONS, LATENTS, np.array([3, 1])), [[85.0, 96.0], [58.0, 69.0]])
    np.testing.assert_array_equal(decoder.decode(OBSERVATIONS, LATENTS, 1)[0], [35.0, 46.0])


def test_open_loop_skill_is_decoded_at_once_and_handed_out_step_by_step():
    decoder = load_decoder(open_loop_decoder(), OPEN_LOOP)
    assert isinstance(decoder, OnnxOpenLoopDecoder)
    np.testing.assert_array_equal(decoder.decode_skill(LATENTS[0]), [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [4.0, 8.0]])
    assert decoder.decode_skill(LATENTS).shape == (2, 4, 2)
    for step in (0, 3):
        np.testing.assert_array_equal(decoder.decode(OBSERVATIONS[0], LATENTS[0], step), LATENTS[0] * (step + 1))
    np.testing.assert_array_equal(decoder.decode(OBSERVATIONS, LATENTS, np.array([1, 0])), [[2.0, 4.0], [3.0, 4.0]])


def test_open_loop_decoder_notices_a_latent_changed_in_place():
    decoder = load_decoder(open_loop_decoder(), OPEN_LOOP)
    latent = LATENTS[0].copy()
    decoder.decode(OBSERVATIONS[0], latent, 0)
    latent[0] = 7.0
    np.testing.assert_array_equal(decoder.decode(OBSERVATIONS[0], latent, 0), [7.0, 2.0])


def test_results_stay_what_they_were_after_the_next_call():
    decoder = load_decoder(closed_loop_decoder(), DESCRIPTION)
    first = decoder.decode(OBSERVATIONS[0], LATENTS[0], 0)
    batch = decoder.decode(OBSERVATIONS, LATENTS, 0)
    decoder.decode(OBSERVATIONS[1], LATENTS[1], 0)
    decoder.decode(OBSERVATIONS + 1.0, LATENTS, 0)
    np.testing.assert_array_equal(first, [10.0, 21.0])
    np.testing.assert_array_equal(batch, [[10.0, 21.0], [33.0, 44.0]])


def test_copy_has_buffers_of_its_own():
    decoder = load_decoder(closed_loop_decoder(), DESCRIPTION)
    twin = decoder.copy()
    assert twin.graph is not decoder.graph
    np.testing.assert_array_equal(twin.decode(OBSERVATIONS[0], LATENTS[0], 0), [10.0, 21.0])


def test_many_batch_sizes_in_turn_give_right_numbers():
    decoder = load_decoder(closed_loop_decoder(), DESCRIPTION)
    for batch in [*range(1, 40), 3, 1]:
        actions = decoder.decode(np.full((batch, 3), batch), np.ones((batch, 2)), 0)
        np.testing.assert_array_equal(actions, np.full((batch, 2), 10.0 + batch))


@pytest.mark.parametrize(
    ("observation", "latent"),
    [((2,), (2,)), ((3,), (3,)), ((2, 3), (2,)), ((2, 3), (3, 2)), ((0, 3), (0, 2)), ((), (2,)), ((1, 2, 3), (2,))],
)
def test_wrong_sizes_are_refused(observation, latent):
    decoder = load_decoder(closed_loop_decoder(), DESCRIPTION)
    with pytest.raises(SkillError, match="expected"):
        decoder.decode(np.zeros(observation), np.zeros(latent), 0)


def test_not_a_number_passes_through_for_the_executor_to_see():
    decoder = load_decoder(closed_loop_decoder(), DESCRIPTION)
    assert np.isnan(decoder.decode(np.array([np.nan, 0.0, 0.0]), LATENTS[0], 0)).any()


def test_prior_gives_mean_and_latent_alike():
    prior = load_prior(latent_model(), DESCRIPTION)
    mean, log_std, latent = prior.distribution({"state": OBSERVATIONS})
    np.testing.assert_array_equal(mean, OBSERVATIONS[:, :2])
    np.testing.assert_array_equal(latent, mean)
    np.testing.assert_array_equal(log_std, np.zeros((2, 2)))


EYE = Field("eye", (2, 2, 3), PICTURE, source="wrist")
SEEING = replace(
    DESCRIPTION, observation=(*DESCRIPTION.observation, EYE), prior=LatentModelDescription(("eye", "state"))
)


def seeing_prior(pictures=("eye",)) -> bytes:
    """Mean = first two values of the state plus the picture's mean."""
    nodes = [
        ("Cast", ("eye",), "numbers", {"to": 1}),
        ("ReduceMean", ("numbers", "axes"), "brightness", {"keepdims": 0}),
        ("Unsqueeze", ("brightness", "last"), "column", {}),
        ("MatMul", ("state", "weights"), "picked", {}),
        ("Add", ("picked", "column"), "mean", {}),
        ("Sub", ("mean", "mean"), "log_std", {}),
        ("Identity", ("mean",), "latent", {}),
    ]
    constants = {"axes": np.array([1, 2, 3]), "last": np.array([1]), "weights": np.eye(3, 2, dtype=np.float32)}
    outputs = {name: (2,) for name in ("mean", "log_std", "latent")}
    return make_model({"eye": EYE.shape, "state": (3,)}, outputs, nodes, constants, pictures=pictures)


def test_prior_sees_a_picture_as_bytes_alone_and_in_a_batch():
    prior = load_prior(seeing_prior(), SEEING)
    pictures = np.stack([np.full(EYE.shape, 255, np.uint8), np.full(EYE.shape, 7, np.uint8)])
    assert prior.seen == ("eye", "state")
    mean = prior.distribution({"state": OBSERVATIONS, "eye": pictures, "other": np.zeros(9)}).mean
    np.testing.assert_array_equal(mean, OBSERVATIONS[:, :2] + [[255.0], [7.0]])
    one = prior.distribution({"state": OBSERVATIONS[1], "eye": pictures[1]}).mean
    np.testing.assert_array_equal(one, mean[1])


def test_what_a_prior_sees_must_be_there_in_its_own_shape():
    prior = load_prior(seeing_prior(), SEEING)
    with pytest.raises(SkillError, match="the model sees eye, state, but eye is not observed here"):
        prior.distribution({"state": OBSERVATIONS[0]})
    for eye, state in (((2, 2, 1), (3,)), ((3, 2, 2), (3,)), ((2, 2, 2, 3), (3,)), ((2, 2, 3), (2, 3))):
        with pytest.raises(SkillError, match="has shape"):
            prior.distribution({"state": np.zeros(state), "eye": np.zeros(eye, np.uint8)})
    with pytest.raises(BundleError, match=r"eye among its inputs is tensor\(float\) .* expected tensor\(uint8\)"):
        load_prior(seeing_prior(pictures=()), SEEING)


def test_same_generator_gives_the_same_sample_within_the_limit():
    description = replace(DESCRIPTION, prior=LatentModelDescription(("state",), 3.0))
    prior = load_prior(latent_model(limit=3.0), description)
    far = np.full(3, 1e3)
    samples = [prior.sample({"state": OBSERVATIONS[0]}, np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(samples[0], samples[1])
    noise = np.random.default_rng(5).standard_normal(2)
    np.testing.assert_allclose(samples[0], 3.0 * np.tanh((OBSERVATIONS[0, :2] + noise) / 3.0))
    assert np.abs(prior.sample({"state": far}, np.random.default_rng(0))).max() <= 3.0


def test_without_limit_latents_are_unchanged():
    np.testing.assert_array_equal(limit_latent(LATENTS, None), LATENTS)


def test_policy_takes_progress_for_each_row_and_refuses_what_is_no_progress():
    policy = LatentModelDescription(("state", "progress"))
    description = replace(
        DESCRIPTION,
        policy=policy,
        probe=replace(DESCRIPTION.probe, policy_latent=(0.0, 0.0)),
        files={**DESCRIPTION.files, "policy.onnx": "00" * 32},
    )
    model = load_policy(latent_model(with_progress=True), description)
    np.testing.assert_array_equal(
        model.distribution({"state": OBSERVATIONS}, np.array([0, 2])).mean, OBSERVATIONS[:, :2] + [[0.0], [2.0]]
    )
    for completed in (-1, 3, np.array([0, 3])):
        with pytest.raises(SkillError, match="expected 0 to 2 target subtasks"):
            model.distribution({"state": OBSERVATIONS}, completed)
