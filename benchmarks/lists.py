"""Every list that grows with the study, at 100,000 participants and 1,000,000 samples.

Run: `python -m benchmarks.lists`. Wall-clock time of a request inside the process, the best and
the median of several after one that warms the database; the server's own time comes on top.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from benchmarks.database import empty_database

TIMES, LIMIT_SECONDS = 7, 0.1
API = (
    *("participants", "consents", "withdrawals", "samples", "assessments", "features", "changes"),
    *("uploads", "queries", "erasures", "transfers", "shipments", "destructions", "boxes", "sites"),
    *("assay-batches", "plans", "claims", "runs", "dictionaries"),
)
FILTERED = (
    "/api/v1/participants?site=S07",
    "/api/v1/samples?site=S07",
    "/api/v1/samples?site=S07&participant=P77",
    "/api/v1/consents?site=S07",
    "/api/v1/assessments?site=S07",
)
PORTAL = (
    "/",
    "/sites/S07/",
    "/sites/S07/participants/",
    "/sites/S07/participants/?q=P9",
    "/sites/S07/participants/?page=150",
    "/sites/S07/samples/",
    "/sites/S07/samples/?page=1500",
    "/sites/S07/queries/",
    "/sites/S07/renewals/",
    *(f"/sites/S07/audit-trail/{asked}" for asked in ("", "?kind=consent", "?by=benchmark-SC")),
    *(f"/sites/S07/{name}/" for name in ("shipments", "destructions", "erasures", "batches")),
    *(f"/sites/S07/{name}/" for name in ("labels", "upload", "consent", "withdrawal")),
    *("/runs/", "/features/review/"),
)


def measure() -> dict[str, tuple[float, float]]:
    """Seconds, best and median, by who asks and what for."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    from cohorts.admin_site import site as admin
    from cohorts.models import Membership, Site

    user = get_user_model()
    clients = {}
    for role, site in (("SC", Site.objects.get(code="S07")), ("CD", None)):
        person = user.objects.create(username=f"benchmark-{role}")
        Membership.objects.create(user=person, site=site, role=role)
        clients[role] = Client(SERVER_NAME="localhost")
        clients[role].force_login(person)
    asked = [("SC", path) for path in PORTAL]
    asked += [(role, f"/api/v1/{name}") for role in clients for name in API]
    asked += [("SC", path) for path in FILTERED]
    asked += [
        ("CD", f"/admin/{model._meta.app_label}/{model._meta.model_name}/{page}")
        for model in admin._registry
        for page in ("", "?p=2")
    ]
    return {f"{role} {path}": _timed(clients[role], path) for role, path in asked}


def _timed(client: object, path: str) -> tuple[float, float]:
    seconds = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        answer = client.get(path)  # type: ignore[attr-defined]
        seconds.append(time.perf_counter() - began)
        if answer.status_code not in (200, 403, 302):
            raise SystemExit(f"{path}: {answer.status_code}")
        if seconds[0] > 20 * LIMIT_SECONDS and len(seconds) > 2:
            break
    return min(seconds[1:]), median(seconds[1:])


def main() -> int:
    """Print the lists, the slowest first; 1 where one takes more than its time."""
    with empty_database():
        from benchmarks.study_at_scale import fill

        fill()
        found = measure()
    for what, (best, middle) in sorted(found.items(), key=lambda item: -item[1][0]):
        print(f"{best * 1e3:8.1f} ms {middle * 1e3:8.1f} ms  {what}")
    return int(any(best > LIMIT_SECONDS for best, _ in found.values()))


if __name__ == "__main__":
    sys.exit(main())
