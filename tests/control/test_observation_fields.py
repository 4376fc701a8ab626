import pytest

from spirl_ros.control.observation_fields import PICTURE, Field, ObservationSpec, part_of_state, state_field
from spirl_ros.errors import ConfigError

ARM = state_field(("elbow", "slide"), ("rad", "m"))
EYE = Field("eye", (4, 6, 3), PICTURE, source="wrist")


def test_spec_tells_what_each_network_sees() -> None:
    spec = ObservationSpec((ARM, EYE), policy=("state", "eye"))
    assert (spec.state, spec.policy, spec.critic) == (ARM, ("state", "eye"), ("state",))
    assert spec.prior == spec.policy  # unless the spec says so
    assert spec.units == {"elbow": "rad", "slide": "m"}


def test_what_the_state_has_too_is_no_more_than_the_state() -> None:
    slide = Field("slide_alone", (1,), names=("slide",), units=("m",))
    force = Field("force", (2,), names=("slide", "push"), units=("m", "N"))
    spec = ObservationSpec((ARM, slide, EYE, force), policy=("eye", "state"), prior=("eye",))
    assert spec.more_fields == (EYE, force)
    assert part_of_state(slide, ARM.names) == [1] and part_of_state(force, ARM.names) is None
    assert spec.chosen(("force", "state")) == (force, ARM)
    assert (spec.prior, spec.policy) == (("eye",), ("eye", "state"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Field("eye", (4, 6), PICTURE, source="wrist"), r"eye.shape is \(4, 6\), expected \(height, width"),
        (lambda: Field("eye", (4, 6, 3), PICTURE), "a camera as its source"),
        (lambda: Field("eye", (4, 6, 3), "float64", source="wrist"), "eye.dtype is 'float64', expected float32 or"),
        (lambda: Field("two words", (1,), names=("a",), units=("1",)), "named 'two words'"),
        (lambda: Field("state", (2,), names=("a",), units=("1",)), "expected 2, each once"),
        (lambda: state_field(("a", "a"), ("1", "1")), "expected 2, each once"),
        (lambda: state_field(("a", "b"), ("1",)), "state has 2 names but 1 units"),
        (lambda: state_field((), ()), r"state.shape is \(0,\)"),
        (lambda: ObservationSpec(()), "observed fields are none, expected state first"),
        (lambda: ObservationSpec((EYE, ARM)), "expected state first"),
        (lambda: ObservationSpec((ARM, EYE, EYE)), "each once"),
        (lambda: ObservationSpec((ARM,), policy=("eye",)), "the policy sees eye, expected some of state"),
        (lambda: ObservationSpec((ARM,), critic=()), "the critic sees nothing, expected fields, each once"),
        (
            lambda: ObservationSpec((ARM, EYE), prior=("eye",)),
            "the prior sees eye, which the policy, its copy, does not",
        ),
    ],
)
def test_what_does_not_agree_is_refused(make, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
