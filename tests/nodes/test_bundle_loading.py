from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.nodes.executor.bundle_loading import load_first, to_skill_model
from spirl_ros.nodes.executor.skill_executor_parameters import SkillExecutorConfig
from spirl_ros.nodes.graph.parameters import names_in
from tests.nodes.kitchen_bundle import write_kitchen_bundle


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> SkillExecutorConfig:
    bundle: Path = write_kitchen_bundle(tmp_path_factory.mktemp("bundles") / "first")
    return SkillExecutorConfig(bundle=str(bundle), provider="cpu")


def test_slow_motion_asks_for_the_same_way_in_more_time(config: SkillExecutorConfig) -> None:
    model = to_skill_model(load_first(config), speed=0.5)
    # The kitchen's period is 0.08 s and its scale 2 rad/s: 0.16 rad in a step at any speed, here in two commands.
    assert (model.control_period_s, model.commands_per_step, model.velocity_scale) == pytest.approx((0.08, 2, 1.0))
    full = to_skill_model(load_first(config), speed=1.0)
    np.testing.assert_array_equal(model.limits.velocity, 0.5 * full.limits.velocity)


@pytest.mark.parametrize("speed", [1.0, 0.99, 0.7, 0.5, 0.3, 0.1, 0.02])
def test_commands_come_at_least_as_often_as_at_full_speed(config: SkillExecutorConfig, speed: float) -> None:
    """At a tenth of the speed a stop or a fault had to wait for a command that was ten periods away."""
    model = to_skill_model(load_first(config), speed)
    assert model.control_period_s * model.commands_per_step == pytest.approx(0.08 / speed)
    assert 0.04 < model.control_period_s <= 0.08 + 1e-12


def test_every_joint_is_slowed_where_each_has_a_scale_of_its_own(config: SkillExecutorConfig) -> None:
    bundle = load_first(config)
    action = replace(bundle.description.action, scale=(2.0,) * 8 + (0.1,))
    model = to_skill_model(replace(bundle, description=replace(bundle.description, action=action)), speed=0.5)
    assert model.velocity_scale == (1.0,) * 8 + (0.05,)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"bundle": ""}, ConfigError, "bundle is empty"),
        ({"rate": "lockstep", "speed": 0.5}, ConfigError, "speed is 0.5, but in lockstep"),
        ({"joint_names": "a,b"}, BundleError, "but here are a, b"),
        ({"robot": "ur5e"}, BundleError, "shoulder_pan_joint"),
        ({"robot": "ur7"}, ConfigError, "no robot ur7"),
        ({"robot": "generic"}, ConfigError, "generic"),
    ],
)
def test_what_does_not_fit_is_refused(config: SkillExecutorConfig, changes: dict, error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        load_first(replace(config, **changes))


def test_names_are_separated_by_commas() -> None:
    assert names_in(" a, b ,,c") == ("a", "b", "c") and names_in("") == ()
