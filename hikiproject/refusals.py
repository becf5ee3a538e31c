"""Errors outside of every view, and faults of ours: problems for programs, pages for people."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DataError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.template.loader import render_to_string
from django.views import defaults

from hikiproject.exception_handler import Problem, body_of, django_problem

logger = logging.getLogger(__name__)
Page = Callable[[HttpRequest, Exception], HttpResponseBase]
FOR_PROGRAMS = "/api/"
INTERNAL = Problem("internal_error", 500, "Internal error: the operators have been told.")
# A host that is not ours, a header that no client sends.
UNUSABLE = Problem("unusable_request", 400, "The request is not one that a client would send.")


def _problem_or(page: Page) -> Page:
    """Django's page for people, and the problem that the error is for programs."""

    def refused(request: HttpRequest, exception: Exception) -> HttpResponseBase:
        if not _by_a_program(request):
            return page(request, exception)
        return _told(request, django_problem(exception) or UNUSABLE)

    return refused


bad_request = _problem_or(defaults.bad_request)
permission_denied = _problem_or(defaults.permission_denied)
page_not_found = _problem_or(defaults.page_not_found)


class UnheldValueMiddleware:
    """A value that no column can hold, such as a NUL character, is the asker's fault, not ours.

    The API's own answers are made by its exception handler.
    """

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """The page of a request that is not understood, for an error of that kind."""
        if not isinstance(error, DataError):
            return None
        logger.warning("%s %s: %s", request.method, request.path, error)
        return bad_request(request, error)


class UnreadableAddressMiddleware:
    """An address that only takes what a button sends, opened in a browser: a page that says so."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.answer(request)
        if not isinstance(answer, HttpResponseNotAllowed) or _by_a_program(request):
            return answer
        allowed = {"Allow": answer["Allow"]}
        return HttpResponse(render_to_string("405.html"), status=405, headers=allowed)


def server_error(request: HttpRequest) -> HttpResponseBase:
    return _told(request, INTERNAL) if _by_a_program(request) else defaults.server_error(request)


def _by_a_program(request: HttpRequest) -> bool:
    return f"{request.path_info}/".startswith(FOR_PROGRAMS)


def _told(request: HttpRequest, problem: Problem) -> HttpResponse:
    body, headers = body_of(problem, request)
    answer = JsonResponse(body, status=problem.status, headers=headers)
    answer["Content-Type"] = "application/problem+json"
    return answer
