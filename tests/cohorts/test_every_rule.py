"""Every rule of a row says, in its own sentence, why a row that breaks it is refused."""

from __future__ import annotations

import ast
import re
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import CheckConstraint

from analysis.models import Plan
from cohorts.models import (
    AcceptanceLimits,
    AssayRow,
    BatchFeature,
    Box,
    Change,
    ColumnMapping,
    ConsentForm,
    FeatureAlias,
    ProtocolVisit,
    Query,
    ReferenceRange,
    Sample,
    Shipment,
    ShippedTube,
)
from tests.factories import (
    AssayBatchFactory,
    FeatureFactory,
    MembershipFactory,
    SampleFactory,
    SiteFactory,
    UploadFactory,
)

TESTS = Path(__file__).parent.parent
NOW, EARLIER = datetime(2026, 5, 2, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)

# Rule, what breaks it and nothing else, the sentence.
BROKEN = {
    "token_scopes_known": ({"scopes": ["fly"]}, "A token has one or more of: read, write, start."),
    "membership_until_after_from": (
        {"from_date": date(2026, 5, 2), "until_date": date(2026, 5, 1)},
        "Ends before it begins: check both dates.",
    ),
    "participant_sex_known_word": ({"sex": "m"}, "Sex is female, male, intersex or unknown."),
    "participant_washout_when_drug_free": (
        {"drug_free": False, "washout_on": date(2026, 5, 1)},
        "A washout date belongs to somebody who is drug-free: correct one of the two.",
    ),
    "sample_place_whole": (
        {"box_id": 1, "box_row": 0, "box_column": 1},
        "A place is a box, a row and a column, from 1.",
    ),
    "sample_frozen_after_collected": (
        {"collected_at": NOW, "frozen_at": EARLIER},
        "Frozen before it was collected: check both times.",
    ),
    "assay_void_has_reason": (
        {"status": "voided", "void_reason": ""},
        "Say why the batch is voided.",
    ),
    "instrument_item_range": (
        {"item_min": 1, "item_max": 1},
        "The highest item score lies above the lowest.",
    ),
    "consent_scopes_known": ({"scopes": ["everything"]}, "A scope that the study does not know"),
    "withdrawal_level_known": ({"level": 5}, "The level is 1 (no contact) to 4 (erase)."),
    "feature_decision_has_reason": ({"reason": ""}, "Say why."),
    "dictionary_edit_takes_two": (
        {"approved": True, "proposed_by_id": 1, "decided_by_id": 1},
        "Somebody else than who proposed an edit approves it.",
    ),
    "dictionary_edit_decision_whole": (
        {"approved": True, "decided_by_id": 1},
        "A decision has a person and a time.",
    ),
    "erasure_approval_whole": ({"approved_by_id": 1}, "An approval has a person and a time."),
    "erasure_has_an_asker": ({"requested_by_id": None}, "Somebody asks for an erasure."),
    "erasure_executed_when_approved": (
        {"approved_at": EARLIER, "stopped_at": EARLIER, "executed_at": NOW},
        "Only what was approved, and not stopped, is carried out.",
    ),
    "export_request_has_reason": (
        {"reason": "for the paper", "recipient": ""},
        "Say for whom the records are exported, and why.",
    ),
    "export_request_takes_two": (
        {"asked_by_id": 1, "decided_by_id": 1},
        "Somebody else than who asked decides.",
    ),
    "export_request_decision_whole": (
        {"approved": False, "decided_at": NOW},
        "A decision has a person and a time.",
    ),
    "query_asked_by_rule_or_person": (
        {"rule": "spin", "raised_by_id": 1},
        "A query is asked by a rule or by a person.",
    ),
    "query_has_text": ({"text": ""}, "Write what you want to know."),
    "query_closed_at_a_time": (
        {"state": "closed", "closed_at": None},
        "A closed query, and no other, has the time of closing.",
    ),
    "query_event_has_text": (
        {"text": ""},
        "Say it in words: an answer without text answers nothing.",
    ),
    "second_entry_settled_by_somebody": (
        {"settled_at": NOW, "settled_by_id": None},
        "Differences are settled by a person, at a time.",
    ),
    "transfer_accepted_or_called_off": (
        {"accepted_at": NOW, "arrived_as_id": 1, "ended_at": NOW},
        "A transfer is taken over or called off, not both.",
    ),
    "plan_lock_is_whole": (
        {"locked_at": NOW, "locked_by_id": 1, "locked_digest": "short"},
        "A lock has a time, a person, a digest and what had come.",
    ),
    "batch_void_has_reason": ({"reason": ""}, "Say why the batch is voided."),
    "batch_void_takes_two": (
        {"asked_by_id": 1, "decided_by_id": 1},
        "Somebody else than who asked decides.",
    ),
}
TWICE = {
    "batch_feature_once": "Two columns of this batch are the same feature.",
    "sample_once_a_batch": "This batch has values of that sample already.",
    "alias_once": "This name leads to another feature already.",
    "consent_form_version_once": "This site has that version and language already.",
    "membership_once": "This person holds that role there from that day already.",
    "one_tube_a_place": "Another tube is in that place of the box.",
    "same_file_same_upload": "This file was sent already.",
    "mapping_once_a_kind": "This site has a mapping for that kind already: edit it.",
    "dated_event_once": "This event has been recorded already.",
    "limits_of_a_platform_once": "This platform has limits already: edit them.",
    "range_once": "This range is listed already: edit it.",
    "protocol_visit_once": "The protocol has a visit with that label already.",
    "tube_once_a_manifest": "The manifest names a tube twice.",
    "plan_version_once": "This plan has that version already: raise the number.",
    "one_query_a_cause": "This rule has asked this already.",
}


def rules():
    """Name of each rule -> the model and the rule."""
    return {
        rule.name: (model, rule)
        for app in ("cohorts", "analysis")
        for model in apps.get_app_config(app).get_models()
        for rule in model._meta.constraints
    }


@cache
def words_of_tests():
    """What the tests expect to read: their texts of nine letters and more."""
    found = set()
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts = re.split(r"\.[*+]", node.value.replace("\\", ""))
                found |= {part.strip() for part in parts if len(part.strip()) >= 9}
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_breaks_a_rule_is_refused_in_its_sentence(name):
    model, rule = rules()[name]
    values, sentence = BROKEN[name]
    assert isinstance(rule, CheckConstraint)
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        rule.validate(model, model(**values))


@pytest.fixture
def rows(db):
    """One row of each kind that may stand only once."""
    tube, batch, feature = SampleFactory(), AssayBatchFactory(), FeatureFactory()
    site = tube.site
    box = Box.objects.create(site=site, code="B", place="F", n_rows=2, n_columns=2)
    Sample.objects.filter(pk=tube.pk).update(box=box, box_row=1, box_column=1)
    BatchFeature.objects.create(batch=batch, feature=feature, source_name="x", position=0)
    AssayRow.objects.create(batch=batch, sample=tube, label="x")
    FeatureAlias.objects.create(site=site, feature=feature, name="x")
    ConsentForm.objects.create(site=site, version="9.9", language="ja")
    MembershipFactory(site=site)
    UploadFactory(site=site)
    ColumnMapping.objects.create(site=site, kind="samples", columns={})
    Change.objects.create(study=site.study, site=site, kind="x", cause="x", event="consent ends")
    AcceptanceLimits.objects.create(study=site.study, platform="X", rsd_percent=1, reason="kit")
    ReferenceRange.objects.create(feature=feature, low=1, high=2)
    ProtocolVisit.objects.create(study=site.study, label="baseline", target_day=0)
    shipment = Shipment.objects.create(
        from_site=site, to_site=SiteFactory(study=site.study), courier="x", sent_at=NOW
    )
    ShippedTube.objects.create(shipment=shipment, sample=tube)
    Plan.objects.create(study=site.study, name="main", data={})
    Query.objects.create(site=site, rule="spin", text="?", sample=tube)


@pytest.mark.parametrize("name", TWICE)
def test_what_may_stand_once_is_refused_a_second_time_in_its_sentence(name, rows):
    model, rule = rules()[name]
    found = model._default_manager.all()
    found = found.exclude(rule="") if model is Query else found
    found = found.exclude(box=None) if model is Sample else found
    row = found.exclude(event="").get() if model is Change else found.last()
    again = model(**{f.attname: getattr(row, f.attname) for f in model._meta.concrete_fields})
    again.pk, again._state.adding = None, True
    with pytest.raises(ValidationError, match=re.escape(TWICE[name])):
        rule.validate(model, again)


def test_no_rule_is_without_a_test_that_reads_its_sentence():
    unread = []
    for name, (model, rule) in rules().items():
        sentence = str(rule.violation_error_message)
        if "is violated." in sentence:
            continue  # the platform's own fault, told to nobody who enters data
        if not any(part in sentence or sentence in part for part in words_of_tests()):
            unread.append(f"{model.__name__} {name}: {sentence}")
    assert unread == []


def test_a_rule_without_a_test_is_found(monkeypatch):
    """The seeded fault: a sentence that no test reads."""
    sentence = "".join(("Nobody", " reads", " it", " yet."))
    monkeypatch.setattr(rules()["query_has_text"][1], "violation_error_message", sentence)
    with pytest.raises(AssertionError, match="Query query_has_text"):
        test_no_rule_is_without_a_test_that_reads_its_sentence()
