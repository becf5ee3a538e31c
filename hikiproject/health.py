"""Whether the platform lives, whether it works, and its numbers for Prometheus."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from rest_framework import permissions
from rest_framework.request import Request
from rest_framework.views import APIView

from analysis.services import operations
from cohorts.api.base import TablePermission
from cohorts.models import Heartbeat

# How long /readyz waits for the database before it says that it does not answer.
DATABASE_SECONDS = 5.0


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return JsonResponse({"alive": True})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """503 with the reason, unless the database answers and a sweep finished lately.

    A sweep passes the scheduler, the broker and a worker: that one came to its end says that all
    three work, which a living process does not.
    """
    wrong = what_is_wrong()
    told = {"ready": not wrong, **({"because": wrong} if wrong else {})}
    return JsonResponse(told, status=503 if wrong else 200)


def what_is_wrong() -> str:
    """Why the platform does not work, or nothing."""
    try:
        with _at_most(DATABASE_SECONDS):
            age = Heartbeat.objects.age(operations.SWEEP)
    except DatabaseError:
        return "The database does not answer."
    if age is None:
        return "No sweep has finished yet: are the worker and the sweeper running?"
    if age > timedelta(seconds=settings.READY_SECONDS):
        return (
            f"No sweep has finished for {age.total_seconds():.0f} s: look at worker, sweeper and "
            "broker."
        )
    return ""


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Cut the line to a database that takes longer.

    One that hangs keeps its connections open, and would keep whoever asks waiting with it.
    """
    with connection.wrap_database_errors:
        connection.ensure_connection()
        line = socket.socket(fileno=os.dup(connection.connection.fileno()))
    cut = threading.Timer(seconds, line.shutdown, [socket.SHUT_RDWR])
    cut.daemon = True
    cut.start()
    try:
        yield
    finally:
        cut.cancel()
        cut.join()
        line.close()


class Numbers(Collector):
    """Gauges that are read from the database at each scrape, so that all processes agree."""

    def collect(self) -> Iterator[Metric]:
        now = operations.facts()
        for name, words, label, values in (
            ("hiki_runs", "Runs by state.", "state", now.runs),
            ("hiki_uploads", "Uploads by status.", "status", now.uploads),
        ):
            family = GaugeMetricFamily(name, words, labels=[label])
            for value, n in values.items():
                family.add_metric([value], n)
            yield family
        for name, words, seconds in (
            (
                "hiki_oldest_queued_run_seconds",
                "Age of the oldest queued run.",
                "oldest_queued_age",
            ),
            (
                "hiki_oldest_owed_change_seconds",
                "Age of the oldest change that no run of a followed plan has seen.",
                "oldest_owed_change_age",
            ),
            ("hiki_sweep_age_seconds", "Since a sweep finished; -1 if none did.", "sweep_age"),
        ):
            age = getattr(now, seconds)
            nothing = -1 if seconds == "sweep_age" else 0
            yield GaugeMetricFamily(name, words, value=nothing if age is None else age)
        yield InfoMetricFamily("hiki", "Versions in use.", value=now.versions)


class MetricsView(APIView):
    """For those who may see how the platform runs; a scraper sends a token."""

    permission_classes = [permissions.IsAuthenticated, TablePermission]
    schema = None
    action = "read"
    verbs = {"read": "R"}

    def resource_of(self, action: str) -> str:
        return "operations"

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry()
        registry.register(Numbers())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
]
