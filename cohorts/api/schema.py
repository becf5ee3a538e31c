"""How OpenAPI describes every address: its problems, its 304, its ETag."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from cohorts.api import preconditions, sparse

TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "An error, as RFC 9457 tells it.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence that says what to do."},
        "code": TEXT,
        "instance": TEXT,
        "request_id": {"type": "string", "description": "Name it when you ask for help."},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"pointer": TEXT, "detail": TEXT}},
        },
        "report": {"type": "object", "description": "Of a refused table: every fault by its cell."},
        "upload": {"type": "string", "format": "uuid"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
REFUSALS = {
    "400": "The question or the body cannot be read.",
    "401": "Log in, or send a token.",
    "403": "Your role does not cover this.",
    "404": "Nothing here that you can see.",
    "429": "More requests in a minute than an account may make; Retry-After says when to go on.",
    "406": "Not told in that form.",
}

REPEATED = {
    "409": "A rule of the study forbids it now, or the same request is still at work.",
    "415": "The body is not of a type that this address takes.",
    "422": "What was sent cannot be used, or its Idempotency-Key came with another body.",
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "Sent again with the same key, the request is carried out once (24 hours).",
}
ROWS = {
    "in": "query",
    "name": "rows",
    "schema": {"type": "string", "enum": ["all"]},
    "description": "With CSV or Parquet: the whole list, as a stream, instead of a page.",
}


class ProblemSchema(AutoSchema):
    """Adds what every operation shares; a refusal is always application/problem+json."""

    def get_operation(
        self,
        path: str,
        path_regex: str,
        path_prefix: str,
        method: str,
        registry: ComponentRegistry,
    ) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(
            path, path_regex, path_prefix, method, registry
        )
        if operation is None:
            return None
        problem = ResolvedComponent(  # type: ignore[no-untyped-call]  # untyped library
            "Problem", ResolvedComponent.SCHEMA, PROBLEM, "Problem"
        )
        registry.register_on_missing(problem)
        answers = operation["responses"]
        for status, words in REFUSALS.items():
            answers.setdefault(status, {"description": words})
        if method == "POST":
            operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
            for status, words in REPEATED.items():
                answers.setdefault(status, {"description": words})
        if self._is_list_view() and getattr(self.view, "pagination_class", None):
            operation.setdefault("parameters", []).extend([ROWS, sparse.PARAMETER])
        if getattr(self.view, "action", "") in getattr(self.view, "conditional_actions", ()):
            operation["parameters"].append(preconditions.IF_MATCH)
            for status, words in preconditions.ANSWERS.items():
                answers.setdefault(status, {"description": words})
        for status in [status for status in answers if status >= "400"]:
            answers[status]["content"] = {"application/problem+json": {"schema": problem.ref}}
        if method == "GET":
            etag = {"ETag": {"schema": TEXT, "description": "Send it back in If-None-Match."}}
            answers["200"]["headers"] = answers["200"].get("headers", {}) | etag
            answers["304"] = {"description": "Unchanged since that ETag.", "headers": etag}
        return operation
