"""What a policy in the kitchen is tried against, beside what every robot is."""

from dataclasses import replace
from math import radians

from spirl_ros.tasks.disturbance import Disturbance

_KNOBS = {"knob_Joint_*": 0.01}
_SLIDES = {"*_burner": 0.001, "light_joint": 0.001, "slide_cabinet": 0.001}
_KETTLE = {"kettle_[xyz]": 0.01}
_KETTLE_TURN = {"kettle": radians(2.0)}

KITCHEN_DISTURBANCES = {
    "knobs_offset": Disturbance("knobs err by up to 0.01 rad, the same for an episode", offsets=_KNOBS),
    "knobs_noise": Disturbance("knobs err by up to 0.01 rad, anew each step", noise=_KNOBS),
    "slides_offset": Disturbance(
        "plates, slides and light err by up to 1 mm, the same for an episode", offsets=_SLIDES
    ),
    "slides_noise": Disturbance("plates, slides and light err by up to 1 mm, anew each step", noise=_SLIDES),
    "kettle_offset": Disturbance(
        "the kettle errs by up to 1 cm and 2 degrees, the same for an episode",
        offsets=_KETTLE,
        rotation_offsets=_KETTLE_TURN,
    ),
    "kettle_noise": Disturbance(
        "the kettle errs by up to 1 cm and 2 degrees, anew each step", noise=_KETTLE, rotation_noise=_KETTLE_TURN
    ),
    "kettle_placed": Disturbance("the kettle stands up to 5 cm elsewhere", start={"kettle_[xy]": 0.05}),
    "kettle_mass": Disturbance("the kettle has twice its mass", masses={"kettleroot": (2.0, 2.0)}),
}
"""By name. `offset`: a bad calibration; `noise`: a bad measurement."""


def with_kettle(usual: Disturbance) -> Disturbance:
    """What a policy learns with: the usual, and what may happen to the kettle."""
    errors = {name: width for name, width in usual.offsets.items() if not name.startswith("kettle")}
    errors["kettle_[xyz]"] = 0.015
    turn = {"kettle": radians(3.0)}
    return replace(
        usual,
        offsets=errors,
        noise=errors,
        rotation_offsets=turn,
        rotation_noise=turn,
        start={**usual.start, "kettle_[xy]": 0.06},
        masses={"kettleroot": (1.0, 2.0)},
    )
