"""Keeps tests on this machine: connecting to any other address raises, whichever library tries.

It sees connections and look-ups made through Python's sockets. `tests/conftest.py` switches it on.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

__all__ = ["OutsideNetwork", "is_loopback", "refuse_outside"]


class OutsideNetwork(AssertionError):
    """A test tried to reach beyond this machine. No OSError: code under test must not take it for an outage."""


def is_loopback(host: str | bytes | None) -> bool:
    """Whether the name or address is this machine's own."""
    text = host.decode() if isinstance(host, bytes) else host
    if not text or text == "localhost":
        return True
    address = _address(text)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def refuse_outside() -> None:
    """From now on, and for the rest of this process, only loopback can be reached."""
    sys.addaudithook(_watch)


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(args[1], tuple):
        _check_connect(args[1][0])
    elif event == "socket.getaddrinfo":
        _check_lookup(args[0])


def _check_connect(host: str) -> None:
    if not is_loopback(host):
        raise OutsideNetwork(f"a test reached for {host!r}; use a local server instead")


def _check_lookup(host: str | bytes | None) -> None:
    """Only names are looked up on the network; of `.invalid` every resolver knows that nobody has it (RFC 6761)."""
    text = host.decode() if isinstance(host, bytes) else host or ""
    if text.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if not is_loopback(text) and _address(text) is None:
        raise OutsideNetwork(f"a test looked up {text!r}; use a local server instead")
