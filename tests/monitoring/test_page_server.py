import socket
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("viser")

import viser
from websockets.exceptions import InvalidStatus
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
    assert b"<html" in page.lower() and b"Connection lost" in page
    with socket.socket() as other, pytest.raises(OSError):
        other.settimeout(1.0)
        other.connect(("127.0.0.2", server.get_port()))


def test_own_page_and_programs_are_listened_to(server: PageServer) -> None:
    assert receive(server)
    assert receive(server, origin=server.url)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", ""])
def test_page_of_another_site_is_refused_in_the_handshake(server: PageServer, origin: str) -> None:
    """It was closed afterwards, and 48 of 100 presses of its buttons were carried out before."""
    heard = []
    server.on_client_connect(heard.append)
    with pytest.raises(InvalidStatus) as refusal:
        receive(server, additional_headers={"Origin": origin})
    assert refusal.value.response.status_code == 403
    assert heard == [] and not server.get_clients()


@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", ""])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Host": ""},
        {},
    ],
)
def test_other_name_that_was_made_to_point_here_is_refused(server: PageServer, headers: dict, upgrade: str) -> None:
    """Without an Origin every Host was taken."""
    assert status(server, headers | upgrade_headers(upgrade)) == 403


def test_host_or_origin_that_is_given_twice_is_refused(server: PageServer) -> None:
    host = f"127.0.0.1:{server.get_port()}"
    assert status(server, {"Host": host}) == 200
    assert status(server, {"Host": host, "host": "evil.example"}) == 403
    assert status(server, {"Host": host, "Origin": f"http://{host}", "origin": "http://evil.example"}) == 403


def test_address_that_the_page_was_opened_by_is_the_one_it_speaks_to() -> None:
    assert is_own_page("http://localhost:8080", "localhost:8080", "127.0.0.1")
    assert is_own_page(None, "localhost:8080", "127.0.0.1")
    assert is_own_page("http://[::1]:8080", "[::1]:8080", "::1")
    assert not is_own_page("http://evil.example:8080", "evil.example:8080", "127.0.0.1")
    assert is_own_page("http://robot:8080", "Robot:8080", "0.0.0.0")
    assert not is_own_page("http://robot:8080", "", "0.0.0.0")
    assert not is_own_page("http://robot:8081", "robot:8080", "0.0.0.0")


def test_viser_that_starts_its_server_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viser.ViserServer, "__init__", lambda self, **_: None)
    with pytest.raises(ConfigError, match="could press buttons"):
        PageServer("127.0.0.1", 0)


def status(server: PageServer, headers: dict[str, str]) -> int:
    """The answer to a request with just these headers."""
    lines = ["GET / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(("127.0.0.1", server.get_port()), timeout=10.0) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.makefile("rb").readline().split()[1])


def upgrade_headers(upgrade: str) -> dict[str, str]:
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    return {"Connection": "Upgrade", "Upgrade": upgrade, **key} if upgrade else {}


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
