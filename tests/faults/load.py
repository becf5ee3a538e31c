"""People at work: a few clients that send tables and read, and note every answer that failed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from types import TracebackType

import requests

from tests.faults.test_locks import table

# A person waits so long; a service that is busy for longer has failed.
PATIENCE_SECONDS = 20
PAUSE_SECONDS = 0.2
Act = Callable[[], requests.Response]


class Load:
    """Until the block ends: one thread that sends tables, and one for each path that is read."""

    def __init__(self, url: str, key: str, site: str, paths: tuple[str, ...]) -> None:
        self._url, self._site = url, site
        self._headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
        self._ending = threading.Event()
        self.answers: list[requests.Response] = []
        self.failed: list[str] = []
        self.sent = 0
        acts = [self._sending(), *(self._reading(path) for path in paths)]
        self._threads = [threading.Thread(target=self._go_on, args=(act,)) for act in acts]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self, act: Act) -> None:
        while not self._ending.wait(PAUSE_SECONDS):
            try:
                answer = act()
            except requests.RequestException as error:
                self.failed.append(repr(error))
                continue
            self.answers.append(answer)
            if answer.status_code >= 400:
                self.failed.append(f"{answer.status_code} {answer.url}: {answer.text[:300]}")

    def _reading(self, path: str) -> Act:
        return lambda: requests.get(
            self._url + path, headers=self._headers, timeout=PATIENCE_SECONDS
        )

    def _sending(self) -> Act:
        numbers = itertools.count()

        def send() -> requests.Response:
            number = next(numbers)
            content = table(f"L{number}-a", f"L{number}-b").content
            answer = requests.post(
                self._url + "/api/v1/uploads",
                data={"site": self._site, "kind": "participants"},
                files={"file": ("p.csv", content, "text/csv")},
                headers=self._headers | {"Idempotency-Key": f"load-{number}"},
                timeout=PATIENCE_SECONDS,
            )
            self.sent += 1
            return answer

        return send
