"""Log lines that say which request they belong to, and never what only people may know.

A request brings its id in X-Request-ID or gets one; its answer, its problem, its log lines and the
tasks that it starts carry it.
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from celery.signals import before_task_publish, task_postrun, task_prerun
from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
TASK_HEADER = "request_id"
GIVEN = re.compile(r"[A-Za-z0-9_.-]{8,64}")
# Tokens by their public mark, and whatever is sent as a credential.
SECRET = re.compile(
    r"hiki_[A-Za-z0-9_-]{8,}|(?i:(?<=bearer )\S+|(?<=password=)[^\s&]+|(?<=token=)[^\s&]+)"
)
Event = MutableMapping[str, Any]


def without_secrets(logger: object, method: str, event: Event) -> Event:
    """Last of the processors: nothing that opens a door is written down."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = SECRET.sub("[hidden]", value)
    return event


BEFORE: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def formatter(*, as_json: bool) -> dict[str, Any]:
    """For logging's dictConfig: a JSON object a line for machines, a plain line for people."""
    last: Any = structlog.processors.JSONRenderer() if as_json else plain_line
    return {
        "()": "structlog.stdlib.ProcessorFormatter",
        "foreign_pre_chain": BEFORE,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            without_secrets,
            last,
        ],
    }


def configuration(*, as_json: bool, level: str) -> dict[str, Any]:
    """For logging's dictConfig: everything to standard error, this project from INFO on."""
    console = {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter(as_json=as_json)},
        "handlers": {"console": console},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {"analysis": {"level": "INFO"}, "cohorts": {"level": "INFO"}},
    }


def plain_line(logger: object, method: str, event: Event) -> str:
    """Time, level, logger, words; the request where there is one, the traceback below."""
    request = f" [{event['request_id']}]" if "request_id" in event else ""
    # Further lines are set in, so that an address with a line break forges no line of its own.
    words = "\n    ".join(str(event["event"]).splitlines())
    line = "{timestamp} {level} {logger}{request}: {words}".format(
        **{**event, "level": event["level"].upper(), "request": request, "words": words}
    )
    return line + (f"\n{event['exception']}" if "exception" in event else "")


def current_request_id() -> str:
    """The id of the request or task that is being worked on; "" outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def identified(answer: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """Middleware: gives each request its id, and the answer too."""

    def answered(request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if GIVEN.fullmatch(given) else uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            done = answer(request)
        done[HEADER] = request_id
        return done

    return answered


@before_task_publish.connect(dispatch_uid="request-id.send")
def _send(headers: dict[str, Any] | None = None, **_signal: object) -> None:
    if headers is not None and current_request_id():
        headers[TASK_HEADER] = current_request_id()


@task_prerun.connect(dispatch_uid="request-id.take")
def _take(task: Any, task_id: str, **_signal: object) -> None:
    asked_by = getattr(task.request, TASK_HEADER, None) or task_id
    structlog.contextvars.bind_contextvars(request_id=asked_by, task=task.name)


@task_postrun.connect(dispatch_uid="request-id.drop")
def _drop(**_signal: object) -> None:
    structlog.contextvars.unbind_contextvars("request_id", "task")
