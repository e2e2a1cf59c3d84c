from __future__ import annotations

import socket

import pytest

from tests.support.network import OutsideNetwork, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "", None, b"127.0.0.1", "0.0.0.0"])
def test_this_machine_is_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.org", "localhost.example.org", "128.0.0.1"])
def test_other_machines_are_not(host):
    assert not is_loopback(host)


def test_connecting_elsewhere_is_refused():
    with socket.socket() as outside, pytest.raises(OutsideNetwork):
        outside.connect(("192.0.2.1", 80))


def test_looking_up_names_is_refused():
    with pytest.raises(OutsideNetwork):
        socket.getaddrinfo("example.org", 80)


def test_names_that_nobody_has_are_unknown_as_everywhere():
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("collector.invalid", 80)


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
