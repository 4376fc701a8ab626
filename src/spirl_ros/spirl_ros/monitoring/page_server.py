"""The web server behind the monitor's page: viser, kept to this machine and to the page's own buttons."""

import gzip
import http
import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import rich
import viser
import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from spirl_ros.errors import ConfigError
from spirl_ros.monitoring.page_additions import with_additions

_INDEX = ("/", "/index.html")
_FOREIGN = "403: this page is its own only. Open it by the address that the node's log names.\n"


class PageServer(viser.ViserServer):
    """A viser server that sends nothing to other machines by itself and takes orders from its own page only.

    A page of another site, open in the same browser, could otherwise connect to this one and press its buttons. It is
    refused in the handshake: not one of its messages is read.
    """

    def __init__(self, host: str, port: int) -> None:
        """Listen. When the port is taken the next free one is used; `get_port` tells which.

        Raises:
            ConfigError: there is no such address on this machine.
        """
        check_address(host)
        rich.reconfigure(quiet=True)  # it would print boxes; the node says in its log what there is to say
        self.address = host
        index = Path(viser.__file__).parent / "client" / "build" / "index.html"
        self._page = with_additions(index.read_bytes())
        self._zipped_page = gzip.compress(self._page)
        with _answered_first(self._answer):
            super().__init__(host=host, port=port, verbose=False)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.get_port()}"

    def request_share_url(self, verbose: bool = True) -> None:
        """Viser's tunnel through a server of its makers: refused, nothing of the robot leaves the machine."""
        return None

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse other sites, and serve the page; None leaves the rest to viser: web sockets, and files it may have."""
        headers = request.headers
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        is_unclear = len(hosts) != 1 or len(origins) > 1
        if is_unclear or not is_own_page(origins[0] if origins else None, hosts[0], self.address):
            return connection.respond(http.HTTPStatus.FORBIDDEN, _FOREIGN)
        if "Upgrade" in headers or request.path.partition("?")[0] not in _INDEX:
            return None
        is_zipped = "gzip" in headers.get("Accept-Encoding", "")
        body = self._zipped_page if is_zipped else self._page
        about = Headers(
            {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Length": str(len(body)),
                "Content-Encoding": "gzip" if is_zipped else "identity",
                # Another site's page must not lay this one under its own buttons.
                "Content-Security-Policy": "frame-ancestors 'none'",
            }
        )
        return Response(http.HTTPStatus.OK, "OK", about, body)


Answer = Callable[[ServerConnection, Request], Response | None]


@contextmanager
def _answered_first(answer: Answer) -> Iterator[None]:
    """Have a server that viser starts meanwhile ask us about each request, web sockets' too, before it acts.

    viser has no place for that: the function is put around the one that it gives to the library of web sockets.
    """
    serve, is_asked = websockets.asyncio.server.serve, []

    class Serve(serve):
        def __init__(self, *arguments, process_request: Answer, **options) -> None:
            def ask(connection: ServerConnection, request: Request) -> Response | None:
                refusal = answer(connection, request)
                return process_request(connection, request) if refusal is None else refusal

            is_asked.append(True)
            super().__init__(*arguments, process_request=ask, **options)

    websockets.asyncio.server.serve = Serve
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve
    if not is_asked:
        raise ConfigError(
            f"viser {viser.__version__} starts its server in another way, so pages of other sites could press buttons. "
            "Install the version that setup.py asks for."
        )


def check_address(host: str) -> None:
    """Refuse what is no address to listen on. Raises ConfigError."""
    try:
        ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise ConfigError(
            f"host is '{host}', expected an address of this machine: 127.0.0.1, or 0.0.0.0 for every network."
        ) from error


def is_own_page(origin: str | None, host: str, address: str) -> bool:
    """Whether a request comes from the page that this server serves, or from a program that is no browser.

    Args:
        origin: the request's header, which browsers set and pages cannot change.
        host: the request's header: what the browser believes it speaks to.
        address: what the server listens on. On a loopback address only loopback names count, so that another name
            that is made to point here (DNS rebinding) is refused.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        of_page = None if origin is None else urlsplit(origin).netloc
    except ValueError:
        return False
    if not name or (_is_loopback(address) and not _is_loopback(name)):
        return False
    return of_page is None or of_page.lower() == host.lower()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
