"""Every list and page of a study of 100,000 participants and 1,000,000 samples.

Run: `python -m benchmarks.lists [SHARE]`. The addresses are those of the platform's own tables.
Time of a request inside the process, the best of several after one that warms the database: of a
processor (ours and the database's, what counts where others work beside us) and of the clock;
kilobytes of the answer, and how many statements it took: as many at a hundredth of the study's
size, or something is asked for row by row. The web server's own time comes on top.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.addresses import addresses, filled, is_list, model_of
from benchmarks.database import empty_database

if TYPE_CHECKING:
    from cohorts.models import User

TIMES, LIST_SECONDS, PAGE_SECONDS, PAGE_KB = 5, 0.1, 0.2, 300
SITE: Final = "S07"
ROLES: Final = {"SD": SITE, "SC": SITE, "CD": "", "AD": ""}
NAMED: Final = {"sites": SITE, "claims": "C0", "studies": "scale"}
# What is asked of a list besides all of it.
ASKED: Final[dict[str, tuple[str, ...]]] = {
    "/api/v1/participants": ("?site=S07", "?site=S07&group=hikikomori"),
    "/api/v1/samples": ("?site=S07", "?site=S07&participant=P127"),
    "/api/v1/consents": ("?site=S07",),
    "/api/v1/assessments": ("?site=S07",),
    "/sites/{code}/participants/": ("?q=P9", "?page=90"),
    "/sites/{code}/samples/": ("?q=T9", "?page=900"),
    "/sites/{code}/scan/": ("?code=T127",),
    "/sites/{code}/queries/": ("?state=closed",),
    "/sites/{code}/renewals/": ("?page=2",),
    "/sites/{code}/audit-trail/": (
        *("?kind=consent", "?kind=sample", "?kind=custodyevent", "?kind=read"),
        *("?by=staff0", "?by=staff1", "?by=nobody", "?kind=custodyevent&by=staff1"),
        *("?since=2020-01-01&until=2020-02-01", "?since=2030-01-01", "?until=2020-01-01"),
        *("?since=2026-06-01&until=2026-06-02", "?by=staff0&since=2026-06-01&until=2026-06-02"),
    ),
}


@dataclass(frozen=True)
class Measured:
    """Of one address: seconds of processors and of the clock; kilobytes; statements."""

    busy: float
    clock: float
    kilobytes: float
    n_statements: int
    limit: float

    @property
    def is_over(self) -> bool:
        return self.busy > self.limit or self.kilobytes > PAGE_KB


def measure() -> dict[str, Measured]:
    """By who asks and what for."""
    found: dict[str, Measured] = {}
    _alone()
    for role, user, client in _clients():
        for address in addresses():
            # What one role of a site reads the other need not be asked for again.
            if role in ("SC", "AD") and any(key.endswith(f" {address}") for key in found):
                continue
            for path in _paths(address, user):
                answer = client.get(path)
                if answer.status_code == 200 and not _is_file(answer):
                    limit = _limit(address)
                    found[f"{role} {path if '?' in path else address}"] = _timed(
                        client, path, limit
                    )
    return found


def _alone() -> None:
    """The database's work in one process, since that of helpers would not be seen."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")


def _clients() -> Iterator[tuple[str, User, Any]]:
    from django.test import Client

    from cohorts.models import Membership, Site, User

    for role, code in ROLES.items():
        person = User.objects.create(username=f"benchmark-{role}")
        site = Site.objects.get(code=code) if code else None
        Membership.objects.create(user=person, site=site, role=role)
        client = Client(SERVER_NAME="localhost")
        client.force_login(person)
        yield role, person, client


def _paths(address: str, user: User) -> Iterator[str]:
    def pick(part: str) -> Any:
        if part in ("code", "version"):
            return NAMED.get(address.strip("/").removeprefix("api/v1/").split("/")[0], 1)
        model = model_of(address, part)
        if model is None:
            return 0
        rows = model.objects.all()
        seen = rows.visible_to(user) if hasattr(rows, "visible_to") else rows
        newest = seen.order_by("-pk").values_list("pk", flat=True).first()
        return 0 if newest is None else newest

    path = filled(address, pick)
    yield path
    if is_list(address) and address.startswith("/admin/"):
        yield from (f"{path}?{asked}" for asked in ("p=2", "q=T7777"))
    yield from (f"{path}{asked}" for asked in ASKED.get(address, ()))


def _is_file(answer: Any) -> bool:
    return "attachment" in answer.headers.get("Content-Disposition", "")


def _limit(address: str) -> float:
    is_page = "{" in address.replace("{code}", "") or address in ("/", "/sites/{code}/")
    return PAGE_SECONDS if is_page and not is_list(address) else LIST_SECONDS


def _timed(client: Any, path: str, limit: float) -> Measured:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as seen:
        answer = client.get(path)
    n_statements = len(seen)  # those of the next requests replace them
    busy: list[float] = []
    clock: list[float] = []
    while len(busy) < TIMES and not (busy and busy[-1] > 20 * limit):
        worked, began = _worked(), time.perf_counter()
        client.get(path)
        clock.append(time.perf_counter() - began)
        busy.append(_worked() - worked)
    size = 0.0 if answer.streaming else len(answer.content) / 1_000
    return Measured(min(busy), min(clock), size, n_statements, limit)


def _worked() -> float:
    """Seconds of processors so far, ours and those of the database's process for us."""
    from django.db import connection

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    theirs = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    return time.process_time() + theirs


def report(found: dict[str, Measured]) -> None:
    """The slowest first."""
    print("    busy     clock         kB  statements")
    for what, each in sorted(found.items(), key=lambda item: -item[1].busy):
        print(
            f"{each.busy * 1e3:5.0f} ms {each.clock * 1e3:6.0f} ms {each.kilobytes:7.1f} kB"
            f" {each.n_statements:6} {'OVER ' if each.is_over else '     '} {what}"
        )


def main(share: float) -> int:
    """Print them; 1 where one takes more than its time or weighs too much."""
    with empty_database():
        from benchmarks.study_at_scale import fill

        fill(share)
        found = measure()
    report(found)
    return int(any(each.is_over for each in found.values()))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
