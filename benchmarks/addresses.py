"""Every address of the platform that shows something, from the tables of addresses themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

_PART = re.compile(r"<(?:[a-z]+:)?(\w+)>|\(\?P<(\w+)>(?:\[[^\]]*\]\+|[^)]*)\)")
_LIST = re.compile(
    r"/api/v1/(features/review|consents/renewals|[a-z-]+)(\?.*)?|/admin/[a-z]+/[a-z]+/(\?.*)?"
)
# Files, what ends something, and what stands on no data of the study.
_NOT_SHOWN = re.compile(
    r"/(account|login|logout|invitations|language|static|healthz|readyz|metrics)\b.*"
    r"|/admin/(login|logout|password_change|autocomplete|jsi18n)\b.*|/admin/.*/(delete|add|password)/"
    r"|/admin/[^/]+/[^/]+/\{object_id\}/|.*\{(url|app_label|key|uidb36)\}.*|.*\[.*|.*\.csv|.*/(crate|file/?|remarks/?)|/api/v1/(docs|schema)?"
)


def addresses() -> list[str]:
    """Each with its parts in braces: `/sites/{code}/samples/`."""
    return sorted({found for found in _walked() if not _NOT_SHOWN.fullmatch(found)})


def is_list(address: str) -> bool:
    """Whether it is a list of the API or of the admin."""
    return bool(_LIST.fullmatch(address))


def filled(address: str, pick: Callable[[str], Any]) -> str:
    """With ``pick`` of each part in its place."""
    return re.sub(r"\{(\w+)\}", lambda part: str(pick(part[1])), address)


def model_of(address: str, part: str) -> Any:
    """The model of the record that a part of an address names; None where none is known."""
    models = {
        model._meta.model_name: model
        for app in ("cohorts", "analysis")
        for model in apps.get_app_config(app).get_models()
    }
    head, _, rest = address.strip("/").partition("/")
    if head == "admin":
        return models.get(rest.split("/")[1])
    named = rest.split("/")[1] if head == "api" else part.removesuffix("_id")
    word = named.replace("-", "").removesuffix("es").removesuffix("s")
    return models.get(_UNLIKE.get(named) or word, models.get(word + "e"))


# Where an address says it otherwise than the model.
_UNLIKE = {
    **{"queries": "query", "boxes": "box", "assay-batches": "assaybatch", "batch": "assaybatch"},
    **{"form": "consentform", "request": "exportrequest", "exports": "exportrequest"},
    **{"edit": "dictionaryedit", "dictionaries": "variabledictionary"},
    **{"webhooks": "webhookendpoint", "consent-forms": "consentform"},
}


def _walked(patterns: Any = None, before: str = "/") -> Iterator[str]:
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        address = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walked(entry.url_patterns, address)
            continue
        plain = address.replace("^", "").removesuffix("$").removesuffix("/?")
        yield _PART.sub(lambda part: f"{{{part[1] or part[2]}}}", plain)
