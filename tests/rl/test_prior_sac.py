"""Losses by numbers worked out by hand, and what one update may and may not change."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spirl_ros.errors import ConfigError, TrainingError
from spirl_ros.rl.config import LearnerConfig
from spirl_ros.rl.networks import HighLevelPolicy, TwinCritic, folded_copy, standard_normal_network
from spirl_ros.rl.prior_sac import (
    PriorSac,
    critic_loss,
    critic_target,
    divergence_from_prior,
    log_likelihood,
    policy_loss,
    temperature_loss,
)
from spirl_ros.rl.replay import SkillTransition
from spirl_ros.rl.sight import StateSight
from spirl_ros.skills.gaussian import Gaussian
from spirl_ros.skills.networks import make_mlp

CONFIG = LearnerConfig(batch_size=8, critic_hidden=16, critic_layers=2, skill_discount=0.9)
HORIZON = 10


def gaussian(mean: float, std: float) -> Gaussian:
    return Gaussian(torch.full((1, 2), mean), torch.full((1, 2), math.log(std)))


def batch(count: int = 8, terminated: bool = False, reward: float = 1.0) -> SkillTransition:
    generator = torch.Generator().manual_seed(0)
    return SkillTransition(
        observation={"state": torch.randn(count, 3, generator=generator)},
        progress=torch.arange(count) % 2,
        latent=torch.randn(count, 2, generator=generator),
        reward=torch.full((count,), reward),
        next_observation={"state": torch.randn(count, 3, generator=generator)},
        next_progress=torch.arange(count) % 2 + 1,
        terminated=torch.full((count,), terminated),
        truncated=torch.zeros(count, dtype=torch.bool),
        steps=torch.full((count,), HORIZON),
    )


def learner(config: LearnerConfig = CONFIG, with_prior: bool = True, seed: int = 0) -> PriorSac:
    torch.manual_seed(seed)
    network = make_mlp(3, 4, 8, 3, "batch", dropout=0.1)
    for layer in network:
        if isinstance(layer, nn.BatchNorm1d):
            assert layer.running_mean is not None and layer.running_var is not None
            nn.init.uniform_(layer.running_mean, -1.0, 1.0)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 2.0)
    policy = HighLevelPolicy(folded_copy(network), 3, 3.0)
    prior = HighLevelPolicy(folded_copy(network), 0, 3.0) if with_prior else None
    return PriorSac(
        config, StateSight(nn.Identity(), 3), policy, prior, 2, subtasks=2, skill_horizon=HORIZON, seed=seed
    )


def test_divergence_in_closed_form():
    # per dimension: log(1/0.5) + 0.5 (0.25 + 1^2 - 1) = 0.693147 + 0.125; two of them
    found = divergence_from_prior(gaussian(1.0, 0.5), gaussian(0.0, 1.0), samples=0)
    assert found.item() == pytest.approx(2 * (math.log(2.0) + 0.125), rel=1e-5)


def test_sampled_divergence_agrees_with_the_closed_form():
    noise = torch.Generator().manual_seed(0)
    found = divergence_from_prior(gaussian(1.0, 0.5), gaussian(0.0, 1.0), samples=100_000, noise=noise)
    assert found.item() == pytest.approx(2 * (math.log(2.0) + 0.125), abs=0.02)


def test_divergence_is_sampled_where_it_is_to_be():
    """With the closed form in its place all tests passed."""
    few = [
        divergence_from_prior(gaussian(1.0, 0.5), gaussian(0.0, 1.0), 10, torch.Generator().manual_seed(seed)).item()
        for seed in (0, 0, 1)
    ]
    assert few[0] == few[1] != few[2]


def test_log_likelihood_of_a_bounded_latent_is_a_density():
    """Integrated over the latents that can be executed, it gives 1."""
    u = torch.linspace(-12.0, 12.0, 20_001).unsqueeze(1)
    z = 2.0 * torch.tanh(u / 2.0)
    one = Gaussian(torch.full_like(u, 0.5), torch.full_like(u, math.log(1.5)))
    density = log_likelihood(one, u, 2.0).exp()
    assert torch.trapezoid(density.double(), z.squeeze(1).double()).item() == pytest.approx(1.0, abs=1e-3)


def test_policy_loss_takes_the_smaller_critic_and_adds_the_weighted_cost():
    # -(min(1, 2) - 0.5 * 4) = 1 and -(min(3, 0) - 0.5 * 2) = 1; mean 1
    values, cost = torch.tensor([[1.0, 3.0], [2.0, 0.0]]), torch.tensor([4.0, 2.0])
    loss, info = policy_loss(values, cost, torch.tensor(0.5))
    assert loss.item() == pytest.approx(1.0, rel=1e-5)
    assert info["cost"].item() == pytest.approx(3.0, rel=1e-5)


def test_each_loss_reaches_only_what_it_trains():
    values, cost, alpha, target = (torch.ones(size, requires_grad=True) for size in ((2, 3), (3,), (), (3,)))
    policy_loss(values, cost, alpha)[0].backward()
    assert alpha.grad is None and cost.grad is not None
    critic_loss(values, target)[0].backward()
    assert target.grad is None
    log_alpha, cost = torch.zeros((), requires_grad=True), torch.ones(3, requires_grad=True)
    temperature_loss(log_alpha, cost, 5.0)[0].backward()
    assert cost.grad is None and log_alpha.grad is not None


def test_critic_loss_is_half_the_squared_error_of_both():
    # 0.5 * mean(1, 4) + 0.5 * mean(0, 1) = 1.25 + 0.25
    loss, info = critic_loss(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.zeros(2))
    assert loss.item() == pytest.approx(1.5, rel=1e-5)
    assert info["value"].item() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(("terminated", "expected"), [(False, 1.0 + 0.9 * (2.0 - 0.5 * 1.0)), (True, 1.0)])
def test_only_the_end_of_the_task_stops_bootstrapping(terminated, expected):
    values, cost = torch.tensor([[3.0], [2.0]]), torch.tensor([1.0])
    for truncated in (False, True):
        one = batch(1, terminated)._replace(truncated=torch.tensor([truncated]))
        found = critic_target(one, values, cost, torch.tensor(0.5), 0.9, HORIZON)
        assert found.item() == pytest.approx(expected, rel=1e-5)


def test_what_follows_is_discounted_by_the_control_steps_that_were_carried_out():
    """A skill that time cut off was discounted as a whole one."""
    # 0.81 over 10 steps is 0.9 over 5, 0.81^1.2 = exp(1.2 * -0.210721) = 0.776576 over 12, and what follows is worth 2.
    one = batch(4)._replace(steps=torch.tensor([10, 5, 0, 12]), truncated=torch.tensor([False, True, True, False]))
    found = critic_target(one, torch.full((2, 4), 2.0), torch.zeros(4), torch.tensor(0.5), 0.81, HORIZON)
    torch.testing.assert_close(found, torch.tensor([2.62, 2.8, 3.0, 2.553152]), rtol=1e-5, atol=1e-5)


def saying(value: float, config: LearnerConfig) -> PriorSac:
    """A learner whose critics say this of everything."""
    subject = learner(replace(config, critic_precision="float32"))
    with torch.no_grad():
        for critic in (subject.critic, subject.target_critic):
            critic.weights[-1].zero_()
            critic.biases[-1].fill_(value)
    return subject


def test_an_update_discounts_every_transition_by_its_own_steps():
    """A transition of a whole skill, and one of half a skill."""
    subject = saying(1.5, replace(CONFIG, skill_discount=0.81))
    one = batch(2, reward=0.5)._replace(next_progress=torch.tensor([0, 0]), steps=torch.tensor([10, 5]))
    # Targets 0.5 + 0.81 * 1.5 = 1.715 and 0.5 + 0.9 * 1.5 = 1.85; two critics, half the mean of 0.215^2 and 0.35^2.
    assert subject.update(one, 1e-3).critic_loss == pytest.approx((0.215**2 + 0.35**2) / 2, rel=1e-4)


@pytest.mark.parametrize(("clamp_targets", "target"), [(True, 0.5), (False, 0.5 + 0.9 * 1.5)])
def test_targets_are_bounded_where_they_are_to_be(clamp_targets: bool, target: float):
    """Bounds that could not be taken off passed all tests."""
    subject = saying(1.5, replace(CONFIG, clamp_targets=clamp_targets))
    done = batch(2, reward=0.5)._replace(next_progress=torch.tensor([2, 2]))  # nothing is left to be had
    assert subject.update(done, 1e-3).critic_loss == pytest.approx((target - 1.5) ** 2, rel=1e-4)


def test_single_actions_are_discounted_by_the_root():
    # 0.97 over 10 steps: 0.97^(1/10) = exp(-0.0304592 / 10) = 0.996959 for one
    one = batch(1)._replace(steps=torch.tensor([1]))
    found = critic_target(one, torch.ones(2, 1), torch.zeros(1), torch.tensor(0.5), 0.97, HORIZON)
    assert found.item() == pytest.approx(1.996959, rel=1e-6)


@pytest.mark.parametrize(("value", "cost", "bounded"), [(8.0, 0.0, 2.0), (1.0, 40.0, 0.0), (1.5, 1.0, 1.0)])
def test_next_values_stay_between_nothing_and_the_reward_still_to_be_had(value, cost, bounded):
    values = torch.tensor([[value], [9.0]])
    found = critic_target(
        batch(1), values, torch.tensor([cost]), torch.tensor(0.5), 0.9, HORIZON, remaining=torch.tensor([2.0])
    )
    assert found.item() == pytest.approx(1.0 + 0.9 * bounded, rel=1e-5)


@pytest.mark.parametrize(("cost", "grows"), [(7.0, True), (3.0, False)])
def test_temperature_grows_only_while_the_divergence_is_above_its_target(cost, grows):
    log_alpha = torch.tensor(math.log(0.1), requires_grad=True)
    loss, info = temperature_loss(log_alpha, torch.tensor([cost]), target=5.0)
    assert info["temperature"].item() == pytest.approx(0.1, rel=1e-5)
    loss.backward()
    assert loss.item() == pytest.approx(0.1 * (5.0 - cost), rel=1e-5)
    assert (-log_alpha.grad > 0.0) == grows  # type: ignore[operator]


def test_divergence_from_the_prior_is_exactly_zero_at_the_start():
    """Also with the progress input, whose weights start at 0."""
    info = learner().update(batch(), 1e-3)
    assert info.cost == 0.0


def test_policy_starts_as_the_prior_in_evaluation_mode():
    torch.manual_seed(0)
    network = make_mlp(3, 4, 8, 3, "batch", dropout=0.5)
    network.train()
    for _ in range(20):
        network(torch.randn(64, 3) * 3.0 + 1.0)  # running statistics that are not 0 and 1
    network.eval()
    observation = torch.randn(5, 3)
    policy = HighLevelPolicy(folded_copy(network), 3, None)
    mean, log_std = policy(observation, torch.eye(3)[[0, 1, 2, 0, 1]])
    expected = network(observation)
    torch.testing.assert_close(torch.cat((mean, log_std), dim=1), expected, rtol=1e-5, atol=1e-5)


def test_latent_limit_has_slope_one_at_zero_and_is_never_passed():
    policy = HighLevelPolicy(standard_normal_network(3, 2, 8, 2), 0, 3.0)
    assert policy.limit(torch.tensor(0.01)).item() == pytest.approx(0.01, rel=1e-4)
    assert policy.limit(torch.tensor(50.0)).item() <= 3.0


def test_policy_without_prior_starts_near_a_standard_normal():
    torch.manual_seed(0)
    mean, log_std = HighLevelPolicy(standard_normal_network(3, 2, 32, 3), 0, 3.0)(torch.randn(50, 3), torch.empty(0))
    assert mean.abs().max() < 0.2 and log_std.abs().max() < 0.2


@pytest.mark.parametrize("with_prior", [True, False])
def test_an_update_computes_what_the_equations_say(with_prior):
    """The target is of the next observation, the policy's own latents there and the target critics, within its
    bounds."""
    config = replace(CONFIG, initial_temperature=1.0, max_divergence=0.3, divergence_samples=0)
    subject, one = learner(config, with_prior), batch(reward=0.5)
    with torch.no_grad():
        for value in (*subject.policy.parameters(), *subject.target_critic.parameters()):
            value.add_(0.2)  # the policy has left the prior, the critics their targets
    noise = torch.Generator().manual_seed(0)

    def act(observation, progress):
        gaussian = subject.policy(observation, progress)
        u = gaussian.sample(noise)
        z = 3.0 * torch.tanh(u / 3.0)
        if not with_prior:
            return z, log_likelihood(gaussian, u, 3.0)
        return z, divergence_from_prior(gaussian, subject.prior(observation, progress), 0)  # type: ignore[misc]

    now, later = torch.eye(3)[one.progress], torch.eye(3)[one.next_progress]
    with torch.no_grad():
        z, cost = act(one.observation["state"], now)
        next_z, next_cost = act(one.next_observation["state"], later)
        next_values = subject.target_critic(torch.cat((one.next_observation["state"], later, next_z), dim=1)).amin(0)
        remaining = 2.0 - one.next_progress
        target = 0.5 + 0.9 * (next_values - next_cost.clamp(max=0.3)).clamp(min=0.0).minimum(remaining)
        values = subject.critic(torch.cat((one.observation["state"], now, one.latent), dim=1))
        own_values = subject.critic(torch.cat((one.observation["state"], now, z), dim=1)).amin(0)
    info = subject.update(one, 1e-3)
    assert info.cost == pytest.approx(cost.mean().item(), rel=1e-4)
    assert info.critic_loss == pytest.approx(0.5 * (values - target).square().mean(1).sum().item(), rel=1e-4)
    assert info.policy_loss == pytest.approx((cost - own_values).mean().item(), rel=1e-4)


def test_every_part_learns_at_its_own_rate():
    """The first step of Adam is the learning rate for every parameter that has a gradient."""
    config = replace(CONFIG, learning_rate=1e-2, temperature_learning_rate=1e-1)
    subject = learner(config)
    parts = {
        1e-3: list(subject.policy.parameters()),
        1e-2: list(subject.critic.parameters()),
        1e-1: [subject.log_alpha],
    }
    before = {rate: [value.detach().clone() for value in values] for rate, values in parts.items()}
    subject.update(batch(), 1e-3)
    for rate, values in parts.items():
        moved = max((new - old).abs().max().item() for new, old in zip(values, before[rate], strict=True))
        assert moved == pytest.approx(rate, rel=1e-2)


def test_plain_sac_holds_the_entropy_and_not_a_divergence():
    assert learner(with_prior=False).cost_target == 2.0  # the size of the latent
    assert learner().cost_target == CONFIG.target_divergence


def test_mean_latent_is_within_the_limit():
    subject = learner()
    seen = {"state": torch.full((1, 3), 30.0)}, torch.tensor([0])
    gaussian, latent = subject.choose(*seen), subject.choose_best(*seen)
    assert gaussian.mean.abs().max() > 3.0
    torch.testing.assert_close(latent, 3.0 * torch.tanh(gaussian.mean / 3.0))


def test_critic_by_hand():
    critic = TwinCritic(1, 1, 1, layer_norm=False)
    with torch.no_grad():
        for value in critic.parameters():
            value.fill_(1.0)
    # -3 + 1 = -2, leaky: -0.4, and 1 * -0.4 + 1 = 0.6
    torch.testing.assert_close(critic(torch.tensor([[-3.0]])), torch.full((2, 1), 0.6))


def test_layer_norm_bounds_what_a_critic_says_far_away():
    critic = TwinCritic(3, 16, 2, layer_norm=True)
    inputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(critic(1e4 * inputs), critic(1e2 * inputs), rtol=1e-2, atol=1e-2)


def test_an_update_moves_the_policy_and_never_the_prior():
    subject = learner()
    before = {name: value.clone() for name, value in subject.prior.state_dict().items()}  # type: ignore[union-attr]
    weights = [value.clone() for value in subject.policy.parameters()]
    subject.update(batch(), 1e-3)
    assert any(not torch.equal(a, b) for a, b in zip(weights, subject.policy.parameters(), strict=True))
    assert all(torch.equal(before[name], value) for name, value in subject.prior.state_dict().items())  # type: ignore[union-attr]


def test_a_frozen_critic_passes_gradients_on_but_takes_none():
    subject, inputs = learner().critic, torch.randn(4, 8, requires_grad=True)
    subject(inputs, is_frozen=True).sum().backward()
    assert inputs.grad is not None and inputs.grad.abs().sum() > 0.0
    assert all(value.grad is None for value in subject.parameters())


def test_critics_in_bfloat16_agree_with_float32_and_keep_float32_weights():
    torch.manual_seed(0)
    exact, rounded = TwinCritic(5, 64, 3, True), TwinCritic(5, 64, 3, True, "bfloat16")
    rounded.load_state_dict(exact.state_dict())
    inputs = torch.randn(200, 5)
    values, expected = rounded(inputs), exact(inputs)
    assert values.dtype == torch.float32 and not torch.equal(values, expected)
    assert (values - expected).abs().max() < 0.05 * expected.std()
    values.sum().backward()
    expected.sum().backward()
    for parameter, same in zip(rounded.parameters(), exact.parameters(), strict=True):
        assert parameter.dtype == torch.float32 and same.grad is not None
        torch.testing.assert_close(parameter.grad, same.grad, rtol=0.1, atol=0.05 * float(same.grad.abs().max()))


def test_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="critic_precision is 'half', expected one of auto, float32, bfloat16"):
        LearnerConfig(critic_precision="half")


def test_critics_learn_the_reward_of_what_ends_the_task():
    subject = learner()
    for _ in range(300):
        info = subject.update(batch(terminated=True), 0.0)
    assert info.value == pytest.approx(1.0, abs=0.1)


def test_target_critics_move_a_share_of_the_way():
    subject = learner(replace(CONFIG, tau=0.25))
    old = [value.clone() for value in subject.target_critic.parameters()]
    subject.update(batch(), 1e-3)
    for before, target, critic in zip(
        old, subject.target_critic.parameters(), subject.critic.parameters(), strict=True
    ):
        torch.testing.assert_close(target, before + 0.25 * (critic - before))


def test_averaged_policy_is_what_is_kept_while_the_newest_explores():
    averaging, newest = learner(replace(CONFIG, averaging=0.9)), learner()
    expected = None
    for update in range(4):
        assert averaging.update(batch(), 1e-2) == newest.update(batch(), 1e-2)  # learning is the same
        weights = torch.cat([value.detach().flatten() for value in newest.policy.parameters()])
        kept = update / (update + 10.0)
        expected = weights if expected is None else kept * expected + (1.0 - kept) * weights
    found = torch.cat([value.flatten() for value in averaging.learned_policy.parameters()])
    torch.testing.assert_close(found, expected)
    assert (found - weights).abs().max() > 1e-4
    seen = {"state": torch.ones(1, 3)}, torch.tensor([0])
    assert torch.equal(averaging.choose(*seen).mean, newest.choose(*seen).mean)
    assert not torch.equal(averaging.choose_best(*seen), newest.choose_best(*seen))
    assert newest.learned_policy is newest.policy


@pytest.mark.parametrize("averaging", [-0.1, 1.0, float("nan")])
def test_share_that_averages_nothing_is_refused(averaging):
    with pytest.raises(ConfigError, match=f"averaging is {averaging}"):
        LearnerConfig(averaging=averaging)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
@pytest.mark.parametrize("with_prior", [True, False])
def test_a_restored_learner_continues_bit_for_bit(with_prior, averaging):
    config = replace(CONFIG, averaging=averaging)
    original, restored = learner(config, with_prior=with_prior), learner(config, with_prior=with_prior, seed=7)
    if with_prior:
        restored.prior = original.prior
    for _ in range(3):
        original.update(batch(), 1e-3)
    state = original.state()
    kept = state["critic"]["weights.0"].clone()
    restored.restore(state)
    for _ in range(3):
        assert original.update(batch(), 1e-3) == restored.update(batch(), 1e-3)
    for a, b in zip(original.learned_policy.parameters(), restored.learned_policy.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(state["critic"]["weights.0"], kept)  # what was saved does not go on learning


@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_learning_and_changes_no_weight(reward):
    subject = learner()
    subject.update(batch(), 1e-3)
    before = [value.clone() for value in (*subject.policy.parameters(), *subject.critic.parameters())]
    with pytest.raises(TrainingError, match=r"update 2 is (nan|inf).*last checkpoint is kept"):
        subject.update(batch(reward=reward), 1e-3)
    after = (*subject.policy.parameters(), *subject.critic.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
