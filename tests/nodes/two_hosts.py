"""Two hosts on one machine: network namespaces, joined by a pair of virtual Ethernet devices. Needs root and
iproute2."""

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_WIRE = "wire"
_WIRE_S = 20.0
_CLONE_NEWNET = 0x40000000


class Host:
    """A network namespace with a loopback and one address."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Processes that this thread starts meanwhile run on the host."""
        with open("/proc/thread-self/ns/net") as outside, open(f"/run/netns/{self.name}") as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())


class TwoHosts:
    """Hosts `a` and `b` with a wire between them; other processes know them by their name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.a, self.b = Host(f"{name}_a", "10.213.77.1"), Host(f"{name}_b", "10.213.77.2")

    def connect(self) -> None:
        """Make both and lay the wire; raises OSError where that is not possible."""
        for host in (self.a, self.b):
            _run("ip", "netns", "add", host.name)
        peer = ("peer", "name", _WIRE, "netns", self.b.name)
        _run("ip", "link", "add", "name", _WIRE, "netns", self.a.name, "type", "veth", *peer)
        for host in (self.a, self.b):
            _run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", _WIRE)
            for device in ("lo", _WIRE):
                _run("ip", "-n", host.name, "link", "set", device, "up")
        # The kernel tells once a second which wires work, and Fast DDS leaves one out for good that does not work yet.
        end_s = time.monotonic() + _WIRE_S
        while not all("state UP" in _run("ip", "-n", host.name, "link", "show", _WIRE) for host in (self.a, self.b)):
            if time.monotonic() > end_s:
                raise OSError(f"the wire between them does not come up within {_WIRE_S} s")
            time.sleep(0.05)

    def cut(self) -> None:
        """Nothing gets through any more, and neither host is told so, as behind a switch."""
        for host in (self.a, self.b):
            _run("tc", "-n", host.name, "qdisc", "add", "dev", _WIRE, "root", "blackhole")

    def mend(self) -> None:
        """Everything gets through again."""
        for host in (self.a, self.b):
            _run("tc", "-n", host.name, "qdisc", "delete", "dev", _WIRE, "root")

    def remove(self) -> None:
        """Take both away, and the wire with them."""
        for host in (self.a, self.b):
            subprocess.run(["ip", "netns", "delete", host.name], capture_output=True)


@pytest.fixture
def two_hosts() -> Iterator[TwoHosts]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "tc"))):
        pytest.skip("two hosts on one machine need root, ip and tc")
    hosts = TwoHosts(f"spirl_{os.getpid()}")
    try:
        try:
            hosts.connect()
        except OSError as error:
            pytest.skip(f"network namespaces cannot be made here: {error}")
        yield hosts
    finally:
        hosts.remove()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
