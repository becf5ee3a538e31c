"""No page in Japanese has an English sentence left on it, whatever the records hold."""

from __future__ import annotations

import re

import pytest

from tests.factories import user_with
from tests.portal import shelf
from tests.portal.test_every_page import all_pages

pytestmark = pytest.mark.django_db(transaction=True)
UNSEEN = re.compile(r"<(script|style|code|head|select)\b.*?</\1>", re.DOTALL)
SENTENCE = re.compile(r"[A-Za-z][a-z]*(?:,? [a-z][a-z-]+){2,}")
# What somebody has written themselves, and the study's own title.
WRITTEN = (
    *("Was this tube spun", "Blood biomarkers of hikikomori", "LC-MS amino acids"),
    *("signed on paper", "By the interval over", "No step of this plan", "Setoyama et al"),
    *("looked up in the database", "from the kit", "two digits are the wrong way round"),
)


def english(page: str) -> list[str]:
    words = re.sub(r"<[^>]*>", "\n", UNSEEN.sub("\n", page))
    return [
        line.strip()
        for line in words.splitlines()
        if SENTENCE.search(line) and not any(known in line for known in WRITTEN)
    ]


def test_no_english_sentence_is_left_on_a_japanese_page(client):
    full, left = shelf.filled(), {}
    for role, pages in all_pages(full).items():
        client.force_login(user_with(role, None if role in ("CA", "CD") else full.site))
        for name, address in pages:
            answer = client.get(address, headers={"accept-language": "ja"})
            if found := english(answer.content.decode()):
                left[name] = found
    assert left == {}


def test_an_english_sentence_is_found():
    assert english("<p>値 <b>Nobody has signed yet.</b></p>") == ["Nobody has signed yet."]
    assert english("<code>not a word of it</code><p>Hedges g</p>") == []
