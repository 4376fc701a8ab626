"""The web server behind the monitor's page: viser, kept to this machine and to the page's own buttons."""

import ipaddress
from urllib.parse import urlsplit

import rich
import viser
from viser.infra import WebsockClientConnection

from spirl_ros.errors import ConfigError


class PageServer(viser.ViserServer):
    """A viser server that sends nothing to other machines by itself and takes orders from its own page only.

    A page of another site, open in the same browser, could otherwise connect to this one and press its buttons.
    """

    def __init__(self, host: str, port: int) -> None:
        """Listen. When the port is taken the next free one is used; `get_port` tells which.

        Raises:
            ConfigError: there is no such address on this machine.
        """
        check_address(host)
        rich.reconfigure(quiet=True)  # it would print boxes; the node says in its log what there is to say
        super().__init__(host=host, port=port, verbose=False)
        self.address = host
        self._websock_server.on_client_connect(self._refuse_other_sites)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.get_port()}"

    def request_share_url(self, verbose: bool = True) -> None:
        """Viser's tunnel through a server of its makers: refused, nothing of the robot leaves the machine."""
        return None

    async def _refuse_other_sites(self, client: WebsockClientConnection) -> None:
        connection = self._websock_server._live_connections[client.client_id]
        headers = connection.request.headers if connection.request is not None else {}
        if not is_own_page(headers.get("Origin"), headers.get("Host"), self.address):
            await connection.close(1008, "orders are taken from this server's own page only")


def check_address(host: str) -> None:
    """Refuse what is no address to listen on. Raises ConfigError."""
    try:
        ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise ConfigError(
            f"host is '{host}', expected an address of this machine: 127.0.0.1, or 0.0.0.0 for every network."
        ) from error


def is_own_page(origin: str | None, host: str | None, address: str) -> bool:
    """Does a connection come from the page that this server serves, or from a program that is no browser.

    Args:
        origin: the request's header, which browsers set and pages cannot change.
        host: the request's header: what the browser believes it speaks to.
        address: what the server listens on. On a loopback address only loopback names count, so that another name
            that is made to point here (DNS rebinding) is refused.
    """
    if origin is None:
        return True
    of_page = urlsplit(origin)
    if host is None or of_page.netloc != host:
        return False
    return not _is_loopback(address) or _is_loopback(of_page.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
