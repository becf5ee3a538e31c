"""A refusal is said in the language of who reads it; what is stored can be said in any."""

from __future__ import annotations

import json
import pickle

import pytest
from django.utils import translation

from cohorts.errors import UnusableRequest
from cohorts.sentences import say, stored, together
from cohorts.told import told
from tests.factories import SiteFactory, user_with

LEFT = "%(sample)s of %(shipment)s did not arrive."


def test_a_sentence_is_english_text_until_somebody_reads_it():
    sentence = say(LEFT, sample="F-1", shipment="S9")
    assert sentence == "F-1 of S9 did not arrive."
    assert json.loads(json.dumps(sentence)) == "F-1 of S9 did not arrive."
    with translation.override("ja"):
        assert str(sentence) == "F-1 of S9 did not arrive."
        assert told(sentence) == "S9 の F-1 が届きませんでした。"


def test_a_stored_sentence_is_said_in_a_language_of_later():
    kept = json.loads(json.dumps(stored(say(LEFT, sample="F-1", shipment="S9"))))
    with translation.override("ja"):
        assert told("F-1 of S9 did not arrive.", kept) == "S9 の F-1 が届きませんでした。"
        assert told("Stored before sentences were kept.", {}) == (
            "Stored before sentences were kept."
        )


def test_a_sentence_comes_whole_out_of_the_checking_process():
    back = pickle.loads(pickle.dumps(say(LEFT, sample="F-1", shipment="S9")))  # noqa: S301 - own
    with translation.override("ja"):
        assert told(back) == "S9 の F-1 が届きませんでした。"


def test_sentences_in_sentences_are_said_too():
    both = together(say("Decided."), say("%(tube)s was thawed.", tube="F-1"))
    assert both == "Decided. F-1 was thawed."
    with translation.override("ja"):
        assert told("", json.loads(json.dumps(stored(both)))) == (
            "決定しました。F-1 の融解を記録しました。"
        )


def test_a_refusal_keeps_english_for_records_and_speaks_the_readers_language():
    refusal = UnusableRequest(say("Say why the query is closed."))
    with translation.override("ja"):
        assert str(refusal) == "Say why the query is closed."
        assert refusal.message == "照会を終了する理由を記入してください。"


@pytest.mark.django_db
def test_a_form_is_refused_in_japanese(client):
    site = SiteFactory(code="FUK")
    client.force_login(user_with("SC", site))
    answer = client.post(
        "/sites/FUK/consent/",
        {
            "participant": "FUK-404",
            "basis": "x",
            "signed_on": "2024-05-01",
            "scopes": ["recontact"],
        },
        headers={"accept-language": "ja"},
    )
    assert answer.status_code == 422
    assert "この施設に、そのコードの参加者はいません。確認してください。" in answer.text
    assert "参加者への再連絡" in answer.text
