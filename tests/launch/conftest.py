"""Each test's launcher and nodes run in a ROS domain of their own."""

import pytest


@pytest.fixture(autouse=True)
def own_domain(domain_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in domain_environment.items():
        monkeypatch.setenv(name, value)
