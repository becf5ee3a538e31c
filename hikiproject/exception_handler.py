"""Domain errors -> HTTP answers, as application/problem+json (RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelError
from django.db import DataError
from django.http import Http404
from django.utils import translation
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from analysis.stats.errors import UnusableData
from cohorts import errors
from cohorts.language.asked import asked_language
from cohorts.language.told import told
from cohorts.language.told_reports import report_told
from cohorts.services import repeats
from hikiproject import busy
from hikiproject.logs import current_request_id

STATUS_OF: dict[type[Exception], int] = {
    errors.NoSuchSite: status.HTTP_404_NOT_FOUND,
    errors.NotAllowed: status.HTTP_403_FORBIDDEN,
    errors.UnusableRequest: status.HTTP_400_BAD_REQUEST,
    errors.AlreadyWithdrawn: status.HTTP_409_CONFLICT,
    repeats.OtherRequest: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.BooksHaveMoved: status.HTTP_409_CONFLICT,
}
WHOLE = ("", api_settings.NON_FIELD_ERRORS_KEY)  # what is said of no field alone
# The same words for what is not there and for what is somebody else's.
NOTHING = "There is nothing here that you can see."


@dataclass(frozen=True)
class Problem:
    """An error as RFC 9457 tells it; ``more`` are members of this kind of problem."""

    code: str
    status: int
    detail: str
    more: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an error that has one; None lets the server's own 500 stand."""
    problem = _problem(error)
    if problem is None:
        return None
    set_rollback()
    request = context.get("request")
    body, headers = body_of(problem, request)
    return Response(
        body, status=problem.status, headers=headers, content_type="application/problem+json"
    )


def body_of(problem: Problem, request: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The members of RFC 9457 and ours, in the language asked for; and its headers."""
    path = request.path if request is not None else ""
    request_id = current_request_id()
    language = asked_language(request.headers) if request is not None else "en"
    with translation.override(language):
        problem = _told(problem)
        title = told(title_of(problem.code))
    body = {
        "type": f"urn:hikiproject:problem:{problem.code}",
        "title": title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        **problem.more,
        **({"instance": path} if path else {}),
        **({"request_id": request_id} if request_id else {}),
    }
    return body, problem.headers | {"Content-Language": language}


def title_of(code: str) -> str:
    """The kind of a problem in words, in English."""
    return code.replace("_", " ").capitalize()


def _told(problem: Problem) -> Problem:
    """In the language that is active; ``type`` and ``code`` are what programs compare."""
    more = dict(problem.more)
    if "errors" in more:
        more["errors"] = [each | {"detail": told(each["detail"])} for each in more["errors"]]
    if "report" in more:
        more["report"] = report_told(more["report"])
    return replace(problem, detail=told(problem.detail), more=more)


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, errors.DomainError):
        return Problem(error.code, STATUS_OF.get(type(error), 409), error.sentence)
    if isinstance(error, UnusableData):
        return Problem("unusable_data", status.HTTP_422_UNPROCESSABLE_ENTITY, str(error))
    if isinstance(error, exceptions.APIException):
        return _rest_problem(error)
    return django_problem(error)


def django_problem(error: Exception) -> Problem | None:
    """The problem that an error of Django's is; None for one that nobody foresaw."""
    if isinstance(error, Http404):
        return Problem("not_found", 404, NOTHING)
    if isinstance(error, PermissionDenied):
        return Problem("not_allowed", 403, "Your role does not cover this.")
    if isinstance(error, ModelError):
        fields = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        return _invalid(fields)
    if isinstance(error, RequestDataTooBig):
        return Problem("too_large", 413, "The request is larger than this address takes.")
    if isinstance(error, SuspiciousOperation):
        return Problem("unusable_request", 400, "The request is not one that a client would send.")
    if isinstance(error, DataError):
        # PostgreSQL keeps no NUL character and no number beyond the column's range.
        return Problem("invalid", 400, "A value is one that the database cannot hold.")
    if sentence := busy.sentence_for(error):
        return Problem("busy", 503, sentence, headers={"Retry-After": busy.RETRY_SECONDS})
    return None


def _rest_problem(error: exceptions.APIException) -> Problem:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"": error.detail}
        return _invalid(fields, error.status_code, headers)
    code, detail = str(error.default_code), str(error.detail)
    if isinstance(error, exceptions.NotFound) and detail == str(error.default_detail):
        detail = NOTHING
    return Problem(code, error.status_code, detail, getattr(error, "more", {}), headers)


def _invalid(fields: Any, number: int = 400, headers: dict[str, str] | None = None) -> Problem:
    told = {"errors": [{"pointer": at, "detail": words} for at, words in _messages(fields)]}
    return Problem("invalid", number, "Some fields cannot be taken.", told, headers or {})


def _messages(said: Any) -> list[tuple[str, str]]:
    """Each message with the JSON pointer of its field; those of a list stand each by themselves."""
    if isinstance(said, dict):
        return [
            (f"{'' if key in WHOLE else f'/{key}'}{further}", words)
            for key, each in said.items()
            for further, words in _messages(each)
        ]
    if isinstance(said, list | tuple):
        return [found for each in said for found in _messages(each)]
    return [("", str(said))]
