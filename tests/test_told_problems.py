"""What goes wrong in the API is told in the language asked for: every message, every title."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import translation
from rest_framework import exceptions, serializers
from rest_framework.test import APIClient

import analysis.urls_api  # noqa: F401 - loads every serializer
from cohorts import errors
from cohorts.language.told import told
from hikiproject.exception_handler import title_of
from tests.factories import SiteFactory, user_with

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
HOLE = re.compile(r"\{\w+(?::\w+)?\}|%\(\w+\)[sd]")
OURS = ("cohorts.", "analysis.")
OF_NO_REQUEST = {"server_error"}


def every(base: type[Any]) -> Iterator[type[Any]]:
    for each in base.__subclasses__():
        yield each
        yield from every(each)


def fields_of(serializer: type[Any]) -> Iterator[tuple[str, Any]]:
    waiting = list(serializer().fields.items())
    while waiting:
        name, field = waiting.pop()
        yield name, field
        child = getattr(field, "child", None)
        waiting += [(f"{name}[]", child)] if isinstance(child, serializers.Field) else []


def messages_of(field: Any) -> Iterator[str]:
    """What the field says of its own, and what its validators say, with values in the holes."""
    said = [*field.error_messages.values()]
    said += [each.message for each in field.validators if hasattr(each, "message")]
    with translation.override("en"):
        written = [str(each) for each in said]
    yield from (HOLE.sub("7", text) for text in written)


def read_by_programs() -> list[type[Any]]:
    found = {each for each in every(serializers.Serializer) if each.__module__.startswith(OURS)}
    return sorted(found, key=lambda each: (each.__module__, each.__qualname__))


def test_every_serializer_says_what_is_wrong_in_japanese():
    asked, silent = 0, {}
    with translation.override("ja"):
        for serializer in read_by_programs():
            for name, field in fields_of(serializer):
                for text in messages_of(field):
                    asked += 1
                    if not JAPANESE.search(told(text)):
                        silent[text] = f"{serializer.__name__}.{name}"
    assert asked > 1_000
    assert silent == {}


def test_every_kind_of_problem_has_a_title_in_japanese():
    codes = {str(each.code) for each in every(errors.DomainError)}
    codes |= {str(each.default_code) for each in every(exceptions.APIException)}
    codes |= {"not_found", "not_allowed", "invalid", "too_large", "unusable_request", "busy"}
    codes |= {"unusable_data", "internal_error", "refused"}
    with translation.override("ja"):
        silent = {code for code in codes if not JAPANESE.search(told(title_of(code)))}
    assert silent == set()


@pytest.mark.django_db
def test_a_refused_table_and_its_upload_name_their_faults_in_japanese():
    site = SiteFactory()
    client = APIClient(HTTP_ACCEPT_LANGUAGE="ja")
    client.force_authenticate(user_with("SC", site=site))
    sheet = SimpleUploadedFile(
        "p.csv", b"participant,sex,group,enrolled_on\nA-1,man,case,31/02/2024\n"
    )
    asked = {"site": site.code, "kind": "participants", "file": sheet}
    answer = client.post("/api/v1/uploads", asked, format="multipart")
    assert answer.status_code == 422
    problem = answer.json()
    assert answer["Content-Language"] == "ja"
    for words in (problem["title"], problem["detail"]):
        assert JAPANESE.search(words)
    faults = problem["report"]["faults"]
    assert faults
    assert all(JAPANESE.search(each["message"]) for each in faults)
    assert all(each["text"].endswith(each["message"]) for each in faults)
    url = f"/api/v1/uploads/{problem['upload']}"
    kept, english = client.get(url), client.get(url, HTTP_ACCEPT_LANGUAGE="en")
    assert kept.json()["report"]["faults"] == faults
    assert not JAPANESE.search(str(english.json()["report"]))
    assert kept["ETag"] != english["ETag"]
    assert "Accept-Language" in kept["Vary"]
    assert client.get(url, HTTP_IF_NONE_MATCH=kept["ETag"]).status_code == 304


@pytest.mark.django_db
def test_a_field_that_is_missing_is_named_in_japanese():
    client = APIClient(HTTP_ACCEPT_LANGUAGE="ja, en;q=0.5")
    client.force_authenticate(user_with("SC", site=SiteFactory()))
    told_of = client.post("/api/v1/uploads", {}, format="multipart").json()["errors"]
    assert {each["detail"] for each in told_of if each["pointer"] == "/site"} == {
        "この項目は必須です。"
    }
