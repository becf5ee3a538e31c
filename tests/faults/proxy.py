"""A TCP proxy before a server: it passes on, refuses, says nothing, or is slow."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit


class Proxy:
    """``mode`` is read for each connection and each piece: pass, refuse, silence or slow."""

    def __init__(self, target_url: str, *, latency_seconds: float = 3.0) -> None:
        self._url = urlsplit(target_url)
        self._latency = latency_seconds
        self.mode = "pass"
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        credentials = self._url.netloc.rpartition("@")[0]
        port = self._server.getsockname()[1]
        return self._url._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()

    def turn_to(self, target_url: str) -> None:
        """Whoever comes from now on is passed to another server; the others end where they are."""
        self._url = urlsplit(target_url)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in (self._server, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                client, _ = self._server.accept()
                self._open.append(client)
                if self.mode == "refuse":
                    client.close()
                    continue
                server = socket.create_connection((self._url.hostname, self._url.port))
                self._open.append(server)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if self.mode == "slow":
                    time.sleep(self._latency)
                if self.mode != "silence":
                    sink.sendall(piece)
