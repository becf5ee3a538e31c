"""What `benchmarks.serving` measures beside this project: a bare Django view, and Django REST
framework with a ModelSerializer, in the same server process and on the same database."""

from __future__ import annotations

from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from hikiproject.wsgi import application as ours

# Django is set up by the application, and only then can these be read.
# isort: split
from rest_framework import generics, permissions, serializers

# What `startproject` gives.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
NUMBERS = (
    *("estimate", "se", "ci_low", "ci_high", "p", "q", "p_permutation", "p_max_t", "tau2", "i2"),
    *("q_statistic", "q_p", "pi_low", "pi_high"),
)
COUNTS = ("n_sites", "n_case", "n_control")


class ResultRow(models.Model):
    """A pooled result as a row of its own, which is how ModelSerializer wants it."""

    stratum = models.CharField(max_length=10)
    feature = models.CharField(max_length=200)
    reason = models.CharField(max_length=200, blank=True)
    for _name in NUMBERS:
        locals()[_name] = models.FloatField(null=True)
    for _name in COUNTS:
        locals()[_name] = models.IntegerField(null=True)

    class Meta:
        app_label = "benchmarks"


class RowSerializer(serializers.ModelSerializer[ResultRow]):
    class Meta:
        model = ResultRow
        fields = ["stratum", "feature", *NUMBERS, *COUNTS, "reason"]


class Rows(generics.ListAPIView[ResultRow]):
    """Without anybody to log in and without pages: the least that it can cost."""

    queryset = ResultRow.objects.order_by("pk")
    serializer_class = RowSerializer
    authentication_classes: list[Any] = []
    permission_classes = [permissions.AllowAny]
    throttle_classes: list[Any] = []
    pagination_class = None
    filter_backends: list[Any] = []


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"")


class Beside(WSGIRequest):
    urlconf = "benchmarks.serving_app"


class BesideHandler(WSGIHandler):
    request_class = Beside


urlpatterns = [path("beside/empty", empty), path("beside/rows", Rows.as_view())]
with override_settings(MIDDLEWARE=MIDDLEWARE):
    beside = BesideHandler()


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Dispatches by the beginning of the address."""
    answer = beside if environ["PATH_INFO"].startswith("/beside/") else ours
    return answer(environ, start_response)
