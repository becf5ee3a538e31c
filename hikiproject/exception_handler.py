"""Domain errors -> HTTP answers, as application/problem+json (RFC 9457)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as ModelError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from analysis.stats.errors import UnusableData
from cohorts import errors

STATUS_OF: dict[type[Exception], int] = {
    errors.NoSuchSite: status.HTTP_404_NOT_FOUND,
    errors.NotAllowed: status.HTTP_403_FORBIDDEN,
    errors.RefusedTable: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.UnusableRequest: status.HTTP_400_BAD_REQUEST,
    errors.AlreadyWithdrawn: status.HTTP_409_CONFLICT,
}


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an error that has one; None lets the server's own 500 stand."""
    answer = _answer(error)
    if answer is None:
        return None
    set_rollback()
    code, number, detail, more, headers = answer
    body = {
        "type": f"urn:hikiproject:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": number,
        "detail": detail,
        "code": code,
        **more,
    }
    request = context.get("request")
    if request is not None:
        body["instance"] = request.path
    return Response(body, status=number, headers=headers, content_type="application/problem+json")


def _answer(error: Exception) -> tuple[str, int, str, dict[str, Any], dict[str, str]] | None:
    if isinstance(error, errors.DomainError):
        more = {"report": error.report.as_dict()} if isinstance(error, errors.RefusedTable) else {}
        return error.code, STATUS_OF.get(type(error), 409), error.message, more, {}
    if isinstance(error, UnusableData):
        return "unusable_data", status.HTTP_422_UNPROCESSABLE_ENTITY, str(error), {}, {}
    if isinstance(error, Http404):
        return "not_found", 404, "There is nothing here that you can see.", {}, {}
    if isinstance(error, PermissionDenied):
        return "not_allowed", 403, "Your role does not cover this.", {}, {}
    if isinstance(error, ModelError):
        return (
            "invalid",
            400,
            "Some fields cannot be taken.",
            {
                "errors": _pointers(
                    error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
                )
            },
            {},
        )
    if isinstance(error, exceptions.APIException):
        return _rest_answer(error)
    return None


def _rest_answer(
    error: exceptions.APIException,
) -> tuple[str, int, str, dict[str, Any], dict[str, str]]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail if isinstance(error.detail, dict) else {"": error.detail}
        return (
            "invalid",
            error.status_code,
            "Some fields cannot be taken.",
            {"errors": _pointers(detail)},
            headers,
        )
    if isinstance(error, exceptions.NotFound):
        return "not_found", 404, "There is nothing here that you can see.", {}, headers
    return str(error.default_code), error.status_code, str(error.detail), {}, headers


def _pointers(detail: Any) -> list[dict[str, str]]:
    """One entry a message, with the JSON pointer of its field."""
    return [
        {"pointer": f"/{field}" if field else "", "detail": str(message)}
        for field, messages in detail.items()
        for message in (messages if isinstance(messages, list | tuple) else [messages])
    ]
