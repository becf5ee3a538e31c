"""No page in Japanese has an English word left on it, but names and what somebody has written."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

import pytest

from analysis.models import Claim, Plan
from cohorts import models
from cohorts.admin_site import site as admin_site
from hikiproject.words import SUBSTANCE
from tests.factories import user_with
from tests.portal import shelf
from tests.portal.test_every_page import all_pages

pytestmark = pytest.mark.django_db(transaction=True)
UNSEEN = re.compile(r"<(script|style|code|pre|head|textarea|noscript)\b.*?</\1>", re.DOTALL)
READ_OUT = re.compile(r'\b(?:alt|title|placeholder|aria-label)="([^"]*)"')
WORD = re.compile(r"(?<![\w./@-])[A-Za-z][a-z]{2,}(?![\w/@]|[.:]\w)")
# Names, of people, of programs, of what is counted, and the language that the foot offers.
NAMES = {
    *("hikiproject", "English", "Python", "Django", "Excel", "Chrome", "Linux", "Biocrates"),
    *("Hedges", "Johnson", "Wilson", "Janes", "Pepe", "and", "Spearman"),  # of methods
    *("relative", "plasma", "serum", "damaged", "thawed"),  # typed into forms and tables as such
}
# What the shelf's own records say.
INVENTED = (
    *("signed on paper", "moved house", "Three items", "test", "double-entry"),
    *(
        "By the interval over the sites it lies on the claimed side of zero",
        "tested without features",
    ),
    "No step of this plan tests that",
)


def words_of(names: Iterable[str]) -> set[str]:
    return {word for name in names for word in WORD.findall(name)}


def written() -> set[str]:
    """Words of names and notes that records hold, whose writers chose the language."""
    columns = (
        *((models.Site, "name"), (models.Study, "title"), (models.User, "username")),
        *((models.User, "first_name"), (models.User, "last_name"), (models.Upload, "filename")),
        *((models.AssayBatch, "platform"), (models.Box, "place"), (models.Shipment, "courier")),
        *((models.Query, "text"), (models.DictionaryEdit, "reason"), (Plan, "name")),
        *((models.DictionaryEdit, "note"), (models.ReferenceRange, "source")),
        *((models.Feature, "name"), (models.FeatureAlias, "name"), (Claim, "citation")),
    )
    found = words_of(
        name for model, column in columns for name in model.objects.values_list(column, flat=True)
    )
    return found | words_of((*shelf.MARKERS, *INVENTED, SUBSTANCE)) | NAMES


def english(page: str, known: Iterable[str] = ()) -> list[str]:
    """Words of a page, and of what is read out of it, that are neither Japanese nor known."""
    shown = UNSEEN.sub("\n", page)
    texts = [re.sub(r"<[^>]*>", "\n", shown), *READ_OUT.findall(shown)]
    return sorted({*WORD.findall(html.unescape("\n".join(texts)))} - set(known))


def pages_of_all_roles() -> Iterable[tuple[models.User, str]]:
    """Every page of the portal, and every list of the admin with one record of each."""
    full = shelf.filled()
    for role, pages in all_pages(full).items():
        person = user_with(role, None if role in ("CA", "CD") else full.site)
        yield from ((person, address) for _name, address in pages)
    steward = user_with("CD")
    for model in admin_site._registry:
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield steward, address
        first = model._default_manager.first()
        if first is not None and model is not models.User:  # whose passwords are others' to change
            yield steward, f"{address}{first.pk}/change/"


def test_no_english_word_is_left_on_a_japanese_page(client):
    left, known, who = {}, None, None
    for person, address in list(pages_of_all_roles()):
        known = known or written()
        if person != who:
            client.force_login(person)
            who = person
        answer = client.get(address, headers={"accept-language": "ja"})
        assert answer.status_code == 200, address
        if found := english(answer.content.decode(), known):
            left[address] = found
    assert left == {}


def test_an_english_word_is_found():
    assert english("<p>値 <b>Nobody has signed.</b></p>") == ["Nobody", "has", "signed"]
    assert english('<img alt="True">') == ["True"]
    assert english("<code>not a word</code><p>Hedges g</p>", ["Hedges"]) == []
