import socket
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("viser")

import viser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from spirl_ros.errors import ConfigError
from spirl_ros.monitoring.page_server import PageServer, is_own_page

PROTOCOL = f"viser-v{viser.__version__}"


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer("127.0.0.1", 0)
    yield server
    server.stop()


def receive(server: PageServer, **options) -> bytes | str:
    address = server.url.replace("http", "ws")
    with connect(address, subprotocols=[PROTOCOL], max_size=None, **options) as client:  # pyright: ignore[reportArgumentType]
        return client.recv(timeout=10.0)


def test_page_is_served_on_its_own_address_only(server: PageServer) -> None:
    page = urllib.request.urlopen(server.url).read()
    assert b"<html" in page.lower()
    with socket.socket() as other, pytest.raises(OSError):
        other.settimeout(1.0)
        other.connect(("127.0.0.2", server.get_port()))


def test_own_page_and_programs_are_listened_to(server: PageServer) -> None:
    assert receive(server)
    assert receive(server, origin=server.url)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
def test_page_of_another_site_gets_nothing(server: PageServer, origin: str) -> None:
    """It could press the buttons of a robot otherwise: browsers let any page open a web socket to this machine."""
    with pytest.raises(ConnectionClosed):
        receive(server, origin=origin)


def test_name_that_was_made_to_point_here_is_refused() -> None:
    assert is_own_page("http://localhost:8080", "localhost:8080", "127.0.0.1")
    assert is_own_page("http://[::1]:8080", "[::1]:8080", "::1")
    assert not is_own_page("http://evil.example:8080", "evil.example:8080", "127.0.0.1")
    assert is_own_page("http://robot:8080", "robot:8080", "0.0.0.0")
    assert not is_own_page("http://robot:8080", None, "0.0.0.0")


def test_share_tunnel_is_refused(server: PageServer) -> None:
    assert server.request_share_url() is None
    assert server._share_tunnel is None


def test_taken_port_gives_the_next_one(server: PageServer) -> None:
    second = PageServer("127.0.0.1", server.get_port())
    try:
        assert second.get_port() > server.get_port()
    finally:
        second.stop()


def test_address_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="robot.local"):
        PageServer("robot.local", 0)
