"""A refusal is said in the language of who reads it; what is stored can be said in any."""

from __future__ import annotations

import json
import pickle

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import translation

from cohorts.errors import UnusableRequest
from cohorts.language.sentences import say, stored, together
from cohorts.language.told import told
from cohorts.models import Upload
from cohorts.services import queries
from tests.factories import SampleFactory, SiteFactory, user_with

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


@pytest.mark.django_db
def test_a_refused_table_is_explained_in_japanese_and_stays_english_for_programs(client):
    site = SiteFactory(code="FUK")
    client.force_login(user_with("SC", site))
    table = b"participant,sex,group,enrolled_on\nFUK-1,femal,healthy_control,31/02/2024\n"
    answer = client.post(
        "/sites/FUK/upload/",
        {"kind": "participants", "file": SimpleUploadedFile("people.csv", table)},
        headers={"accept-language": "ja"},
        follow=True,
    )
    assert "日付ではありません。YYYY-MM-DD の形で書いてください。" in answer.text
    assert (
        "&quot;femal&quot; という性別はありません（&quot;female&quot; のことですか）" in answer.text
    )
    sent = Upload.objects.get()
    stored_words = [fault["message"] for fault in sent.report["faults"]]
    assert any(words.startswith('"31/02/2024" is not a date; write') for words in stored_words)
    remarks = client.get(
        f"/uploads/{sent.pk}/remarks/?as=csv", headers={"accept-language": "ja"}
    ).content.decode()
    assert "日付ではありません" in remarks


@pytest.mark.django_db
def test_what_a_rule_asked_is_read_in_japanese_by_who_answers(client):
    site = SiteFactory(code="FUK")
    tube = SampleFactory(participant__site=site, site=site, code="F-1")
    found = queries.Finding(tube, "cause", say(LEFT, sample="F-1", shipment="S9"))
    (asked,) = queries.recheck("rule", site, [found])
    client.force_login(user_with("SC", site))
    page = client.get(f"/queries/{asked.pk}/", headers={"accept-language": "ja"})
    assert "S9 の F-1 が届きませんでした。" in page.text
    assert asked.text == "F-1 of S9 did not arrive."


@pytest.mark.django_db
def test_an_invitation_is_written_in_the_language_of_who_sends_it(client, mailoutbox):
    client.force_login(user_with("AD"))
    client.post(
        "/staff/",
        {"email": "sato@example.org", "role": "SC", "site": SiteFactory(code="FUK").pk},
        headers={"accept-language": "ja"},
    )
    (mail,) = mailoutbox
    assert mail.subject == "hikiproject：「施設コーディネーター（FUK）」として招待されています"
    assert "7 日以内に次のリンクから承諾してください" in mail.body
