"""One POST to an address that somebody else chose: never into our own network.

The name is resolved once and the connection goes to that very address, so that a name which leads
elsewhere a moment later leads nowhere. Redirects are not followed; time and size have an end.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from cohorts.errors import DomainError

CONNECT_SECONDS, WHOLE_SECONDS = 3.0, 6.0
READ_BYTES = 16_384
LOWEST_PORT = 1024  # but for 443
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# IPv6 that carries an IPv4 address in its last four bytes.
CARRIES_IPV4 = tuple(
    map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96"))
)


class RefusedAddress(DomainError):
    """The address may not be called; the message says why."""

    code = "address_refused"


def checked(url: str, *, to_loopback: bool = False) -> SplitResult:
    """The parts of an address that may be called, its name resolved. RefusedAddress in words."""
    parts = _parts(url, to_loopback)
    _where(parts, to_loopback)
    return parts


def post(url: str, body: bytes, headers: Mapping[str, str], *, to_loopback: bool = False) -> int:
    """The status of the answer. RefusedAddress; OSError or HTTPException where there is none."""
    parts = _parts(url, to_loopback)
    where, port = _where(parts, to_loopback), _port(parts)
    connection = _To(where, parts.hostname or "", port, tls=parts.scheme == "https")
    # A server that sends a byte now and then would hold us for ever: no single wait is too long.
    end = threading.Timer(WHOLE_SECONDS, connection.cut)
    end.daemon = True
    end.start()
    try:
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request("POST", target, body, dict(headers))
        answer = connection.getresponse()
        answer.read(READ_BYTES)
        return answer.status
    finally:
        end.cancel()
        connection.close()


def internal(address: Address) -> bool:
    """Whether it leads anywhere but to the open internet, by whatever way of writing."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = _carried(address)
        if inside is not None:
            return internal(inside)
        if address.is_site_local:
            return True
    return not address.is_global or address.is_multicast or address.is_reserved


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if any(address in network for network in CARRIES_IPV4) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class _To(http.client.HTTPConnection):
    """A connection to one address; the name stands in Host and in the certificate only."""

    def __init__(self, where: Address, name: str, port: int, *, tls: bool) -> None:
        super().__init__(name, port, timeout=CONNECT_SECONDS)
        self._where, self._name, self._tls = where, name, tls
        # No port in Host where it is the scheme's own.
        self.default_port = 443 if tls else 80

    def connect(self) -> None:
        self.sock = socket.create_connection((str(self._where), self.port), self.timeout)
        if self._tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._name)

    def cut(self) -> None:
        """End what is under way, from another thread."""
        held = self.sock
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                held.close()


def _parts(url: str, to_loopback: bool) -> SplitResult:
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, _port(parts)
    except ValueError as error:
        raise RefusedAddress(f"{url!r} is not an address: {error}.") from error
    if parts.scheme != "https" and not (to_loopback and parts.scheme == "http"):
        raise RefusedAddress("Write an address that begins with https://.")
    if not name or not name.isascii() or not url.isprintable() or " " in url:
        raise RefusedAddress("Write the name of a server in plain letters, such as example.org.")
    if parts.username is not None or parts.password is not None:
        raise RefusedAddress("Leave name and password out: each message is signed instead.")
    if port != 443 and port < LOWEST_PORT:
        raise RefusedAddress(f"Port {port} is not for webhooks; use 443, or one from 1024 on.")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _where(parts: SplitResult, to_loopback: bool) -> Address:
    """The one address to connect to; refused if any that the name has is internal."""
    name = parts.hostname or ""
    try:
        found = socket.getaddrinfo(name, _port(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RefusedAddress(f"{name} is not found: check the name.") from error
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not addresses:
        raise RefusedAddress(f"{name} is not found: check the name.")
    for address in addresses:
        if internal(address) and not (to_loopback and address.is_loopback):
            raise RefusedAddress(
                f"{name} leads into an internal network; webhooks go to the open internet only."
            )
    return addresses[0]
