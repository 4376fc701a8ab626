"""`spirl tasks`, with families that have less than the kitchen, and one that does not load."""

import json

import pytest

from spirl_ros.commands.main import main
from spirl_ros.tasks import families


def test_families_are_listed_with_what_they_have(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SMALL", "ALONE"):
        monkeypatch.setitem(families._OURS, name.lower(), f"tests.tasks.small_family:{name}")
    monkeypatch.setitem(families._OURS, "broken", "no_such_package.family:FAMILY")
    assert main(["tasks", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    small = lines.index("small: 2 joints at 25 Hz, 3 observed values")
    assert lines[small + 1 : small + 4] == [
        "  has       simulator, operator, view",
        "  subtasks  out, in",
        "  task      out_in: out, in",
    ]
    assert "  has       nothing but a real robot" in lines
    assert [line for line in lines if line.startswith("gymnasium: any environment of Gymnasium")]
    assert [line for line in lines if line.startswith("broken: ") and "needs the package no_such_package" in line]
    found = json.loads(last)
    assert found["kitchen"]["tasks"]["kitchen"] == ["microwave", "kettle", "bottom_burner", "light_switch"]
    assert list(found["gymnasium"]) == ["each"]  # which of them has what is asked of one alone
    assert found["alone"]["simulator"] is False and "problem" in found["broken"]
