"""Nobody makes the platform call into its own network, however the address is written."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import time

import pytest

from analysis import webhook_http
from analysis.webhook_http import RefusedAddress

INTERNAL = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost"),
    "0.0.0.0",  # noqa: S104 - where nobody may be called
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("169.254.169.254", "[fe80::1]", "[fd00::1]", "[fec0::1]", "10.0.0.8", "172.16.0.1"),
    *("192.168.1.1", "100.64.0.1", "192.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]"),
    *("[ff02::1]", "[2001:db8::1]", "[2001:0:53aa:64c:0:0:80ff:fffe]"),
]


@pytest.fixture
def listener():
    """A port of this machine and the connections that came to it."""
    came = []
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        door.settimeout(0.05)
        over = threading.Event()

        def listen():
            while not over.is_set():
                try:
                    came.append(door.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield door.getsockname()[1], came
        finally:
            over.set()
            thread.join()
            for each in came:
                each.close()


def resolving(monkeypatch, *answers):
    """Every name leads to the first of these, then to the next, ... the last for good."""
    left = list(answers)

    def resolved(name, port, **_options):
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(2, 1, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(webhook_http.socket, "getaddrinfo", resolved)


@pytest.mark.parametrize("host", INTERNAL)
def test_an_internal_address_is_refused_however_it_is_written(host, listener):
    port, came = listener
    for call in (webhook_http.checked, lambda url: webhook_http.post(url, b"{}", {})):
        with pytest.raises(RefusedAddress, match=r"internal network|is not found"):
            call(f"https://{host}:{port}/x")
    assert came == []


def test_the_guard_is_awake(monkeypatch, listener):
    """Without it, the same call reaches the listener."""
    port, came = listener
    monkeypatch.setattr(webhook_http, "internal", lambda address: False)
    with pytest.raises((OSError, http.client.HTTPException)):
        webhook_http.post(f"https://127.0.0.1:{port}/x", b"{}", {})
    assert len(came) == 1


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_the_open_internet_is_not_internal(address):
    assert not webhook_http.internal(ipaddress.ip_address(address))


def test_one_internal_address_among_public_ones_is_enough(monkeypatch, listener):
    resolving(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(RefusedAddress, match="leads into an internal network"):
        webhook_http.post(f"https://example.org:{listener[0]}/", b"{}", {})
    assert listener[1] == []


def test_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere(monkeypatch, listener):
    """What was resolved for the check is what is connected to; nothing is resolved again."""
    port, came = listener
    asked = []

    def connect(address, *_rest, **_options):
        asked.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(webhook_http.socket, "create_connection", connect)
    resolving(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    with pytest.raises(ConnectionRefusedError):
        webhook_http.post(f"https://example.org:{port}/", b"{}", {})
    assert asked == ["8.8.8.8"]
    # Registered while it was public, internal by the time of the call.
    with pytest.raises(RefusedAddress):
        webhook_http.post(f"https://example.org:{port}/", b"{}", {})
    assert came == []


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://example.org/", "begins with https://"),
        ("ftp://example.org/", "begins with https://"),
        ("https://user:word@example.org/", "Leave name and password out"),
        ("https://example.org:25/", "Port 25 is not for webhooks"),
        ("https://example.org:99999/", "is not an address"),
        ("https:///x", "Write the name of a server"),
        ("https://exa\u200bmple.org/", "Write the name of a server"),
        ("https://example.org/\r\nX: y", "Write the name of a server"),
    ],
)
def test_what_is_no_plain_https_address_is_refused_in_words(url, sentence):
    with pytest.raises(RefusedAddress, match=sentence):
        webhook_http.checked(url)


def test_a_server_that_drips_is_cut_off(monkeypatch, listener):
    port, came = listener
    monkeypatch.setattr(webhook_http, "WHOLE_SECONDS", 0.4)
    monkeypatch.setattr(webhook_http, "CONNECT_SECONDS", 30.0)
    began = time.monotonic()
    with pytest.raises((OSError, http.client.HTTPException)):
        webhook_http.post(f"http://127.0.0.1:{port}/", b"{}", {}, to_loopback=True)
    assert time.monotonic() - began < 10
    assert len(came) == 1
