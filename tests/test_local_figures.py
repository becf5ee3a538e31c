"""Dates and numbers of pages are of the reader's language; what is typed and sent is not."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.template import Context, Template
from django.utils import translation

from analysis.templatetags import figures
from cohorts.language.sentences import say
from cohorts.language.told import told
from tests.factories import ParticipantFactory, SiteFactory, user_with

SHOWN = '{{ on|date:"DATE_FORMAT" }} {{ at|date:"DATETIME_FORMAT" }}'


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "2026-11-23 2026-11-23 09:05"),
        ("ja", "2026年11月23日 2026年11月23日 9:05"),
    ],
)
def test_days_are_written_as_the_language_does(language, words):
    shown = Context({"on": date(2026, 11, 23), "at": datetime(2026, 11, 23, 9, 5, tzinfo=UTC)})
    with translation.override(language):
        assert Template(SHOWN).render(shown) == words


def test_figures_have_the_marks_of_the_language():
    said = say("%(n)s on %(day)s, code %(code)s", n="1,234.5", day="2026-11-23", code="2.1.0")
    assert told(said) == "1,234.5 on 2026-11-23, code 2.1.0"
    with translation.override("de"):
        assert figures.signed(0.456) == "+0,46"
        assert figures.p_value(0.0004) == "< 0,001"
        assert figures.count(12345.0) == "12.345"
        assert figures.cell(-0.1234) == "−0,123"
        assert told(said) == "1.234,5 on 23. November 2026, code 2.1.0"


def test_words_of_hidden_and_tiny_figures_are_said():
    with translation.override("ja"):
        assert (figures.count(None), figures.percent(0.004)) == ("少数", "1 % 未満")


@pytest.mark.django_db
def test_a_page_has_japanese_days_and_its_form_takes_iso(client):
    site = SiteFactory(code="FUK")
    person = ParticipantFactory(site=site, code="FUK-1", enrolled_on=date(2024, 5, 1))
    client.force_login(user_with("SC", site))
    ask = {"accept-language": "ja"}
    assert "2024年5月1日" in client.get(f"/participants/{person.pk}/", headers=ask).text
    sent = client.post(
        "/sites/FUK/consent/",
        {
            "participant": "FUK-1",
            "basis": "x",
            "signed_on": "2024-05-02",
            "scopes": ["recontact"],
        },
        headers=ask,
    )
    assert sent.status_code == 302
    listed = client.get("/api/v1/participants/?format=csv", headers=ask)
    assert "2024-05-01" in b"".join(listed).decode()
