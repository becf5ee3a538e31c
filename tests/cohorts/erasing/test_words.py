"""No running text, of whatever record, keeps a code of somebody who was erased."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from cohorts.models import (
    AcceptanceLimits,
    AssayRow,
    BatchVoid,
    Box,
    CustodyEvent,
    Destruction,
    DictionaryEdit,
    Erasure,
    ExportRequest,
    FeatureDecision,
    Participant,
    Query,
    QueryEvent,
    Receipt,
    RecordExport,
    Sample,
    Shipment,
    Site,
    Transfer,
    Withdrawal,
)
from cohorts.services.audit import audit_chain, audit_check
from cohorts.services.erasing import erased_words
from cohorts.services.erasing.erased_words import WRITTEN, Codes
from tests.cohorts.erasing.canaries import CANARY, erased, traces
from tests.factories import AssayBatchFactory, FeatureFactory, SiteFactory

pytestmark = pytest.mark.django_db
SAID = f"as for {CANARY}, whose tube was T2"

# Text that is no running text of people, by model; "*": every field of it. A new field that stands
# neither here nor in WRITTEN fails the test below: decide whether a person writes it.
CODES, OWN, SET, ELSEWHERE = "a code or a word of a list", "its own row", "of the set-up", "masked"
NOT_WRITTEN = {
    CODES: {
        "Participant": "code sex group", "Visit": "label", "Box": "code",
        "Sample": "code material tube temperature centrifugation second_centrifugation storage "
        "status", "Upload": "kind sha256 status",
        "AssayBatch": "platform matrix scale status", "BatchFeature": "*", "AuditSeal": "*",
        "AssayRow": "sample_type", "Assessment": "*", "AuditLink": "*", "Change": "kind event",
        "ConsentForm": "*", "Consent": "scopes", "CustodyEvent": "kind", "ShippedTube": "*",
        "Query": "rule state", "QueryEvent": "kind", "RecordReading": "*", "SecondEntry": "*",
        "ExportRequest": "format batches recipient_country", "RecordExport": "format sha256",
        "Tombstone": "*", "FeatureDecision": "kind old_name new_name", "Membership": "*",
        "DictionaryEdit": "kind subject label was becomes", "AcceptanceLimits": "platform",
        "Snapshot": "*", "Plan": "*", "StepResult": "*", "RunPart": "*", "RunTable": "*",
        "Run": "key state step steps code_version libraries summary held_because",
        "RunDocument": "name withheld", "Verdict": "*", "Heartbeat": "*", "ProtocolVisit": "*",
    },
    OWN: {"Destruction": "tube"},
    SET: {
        "Study": "*", "Site": "code name country time_zone languages ethics_approval",
        "User": "*", "ApiToken": "*", "Invitation": "*", "SignInAttempt": "*", "SentRequest": "*",
        "Feature": "*", "FeatureAlias": "*", "ReferenceRange": "*", "Instrument": "*",
        "VariableDictionary": "*", "ColumnMapping": "*", "Claim": "*", "WebhookEndpoint": "*",
        "WebhookEvent": "*", "WebhookMessage": "*", "WebhookAttempt": "*",
    },
    # By `redactions`, and by the erasure of the analysis; numbers, counts and dates.
    ELSEWHERE: {
        "Upload": "filename options report", "Run": "left_out cause failure", "RunDocument": "data",
        "Participant": "variables", "Change": "counts", "Erasure": "proof receipt",
    },
}  # fmt: skip


def text_fields():
    kept = (models.CharField, models.TextField, models.JSONField, ArrayField)
    for app in ("cohorts", "analysis"):
        for model in apps.get_app_config(app).get_models():
            if not hasattr(model, "pgh_tracked_model"):
                for field in model._meta.local_concrete_fields:
                    if isinstance(field, kept):
                        yield model.__name__, field.name


def test_every_text_field_is_masked_or_holds_no_running_text():
    known = {(each.model.__name__, name) for each in WRITTEN for name in each.fields}
    for models_of in NOT_WRITTEN.values():
        for model, names in models_of.items():
            known |= {(model, name) for name in names.split()}
    unsaid = [
        f"{model}.{name}"
        for model, name in text_fields()
        if (model, name) not in known and (model, "*") not in known
    ]
    assert unsaid == []


@pytest.fixture
def others(site, canary, people):
    """A row at least of each model with running text, none of them the person's."""
    other, there = Participant.objects.get(code="A001"), SiteFactory(code="TO", study=site.study)
    tube, user, now = Sample.objects.get(code="T1"), people[0], timezone.now()
    batch = AssayBatchFactory(site=site)
    sent = Shipment.objects.create(from_site=there, to_site=site, courier="x", sent_at=now)
    Receipt.objects.create(shipment=sent, received_at=now)
    query = Query.objects.create(site=site, rule="spin", text="?", batch=batch)
    QueryEvent.objects.create(query=query, kind="answered", text="?")
    Box.objects.create(site=site, code="B", place="F", n_rows=1, n_columns=1)
    CustodyEvent.objects.create(sample=tube, number=99, kind="measured")
    Destruction.objects.create(
        site=site, sample=tube, tube="T1", cause="?", method="?",
        recorded_by=user, recorded_at=now, destroyed_at=now, witness=people[1],
    )  # fmt: skip
    Transfer.objects.create(participant=other, to_site=there, reason="?", asked_by=user)
    today = timezone.localdate()
    Withdrawal.objects.create(participant=other, level=1, effective_on=today, recorded_by=user)
    Erasure.objects.create(site=site, participant=other, requested_by=user)
    AssayRow.objects.create(batch=batch, sample_type="qc", label="QC1")
    BatchVoid.objects.create(batch=batch, reason="?", asked_by=user)
    RecordExport.objects.create(site=site, reason="?", n_participants=1, n_samples=1)
    asked = {"recipient": "?", "recipient_country": "JP", "asked_by": user}
    ExportRequest.objects.create(site=site, reason="?", **asked)
    feature = FeatureFactory()
    FeatureDecision.objects.create(kind="new", feature=feature, reason="?")
    DictionaryEdit.objects.create(kind="add", subject="range", reason="?", proposed_by=user)
    AcceptanceLimits.objects.create(study=site.study, platform="LC-MS", rsd_percent=1, reason="?")


def test_what_was_written_about_others_names_the_erased_no_more(
    others, canary, people, site, store
):
    for each in WRITTEN:
        rows = each.model._default_manager.filter(**each.where)
        if each.model is Site:
            rows = rows.filter(pk=site.pk)
        assert rows.exists(), each.model
        for name in each.fields:
            is_json = each.model._meta.get_field(name).get_internal_type() == "JSONField"
            rows.update(**{name: ["T2", SAID] if is_json else SAID})
    audit_chain.seal_new()
    assert len(traces(CANARY, store)) > 30
    assert erased(canary, people).state == "executed"
    assert traces(CANARY, store) == []
    clean = "as for [erased], whose tube was [erased]"
    for each in WRITTEN:
        for name in each.fields:
            kept = [row[name] for row in each.model._default_manager.values(name)]
            assert clean in kept or ["[erased]", clean] in kept, (each.model, name)
    assert audit_check.check().faults == ()


def test_a_tubes_code_is_masked_as_a_word_of_its_own():
    codes = Codes("A-7", frozenset({"T2", "1002"}))
    assert codes.out_of("A-7: T2, T20, T2-1 and 1002") == "[erased]: [erased], T20, T2-1 and 1002"
    assert codes.out_of(["1002", "10021", {"T2": 3}]) == ["[erased]", "10021", {"[erased]": 3}]


def test_a_field_of_another_kind_is_refused(site):
    """The seeded fault: a field that holds no text stands among those to be masked."""
    with pytest.raises(TypeError, match=r"Site\.ethics_expires_on is neither text nor JSON"):
        erased_words._naming(Site.objects.all(), "ethics_expires_on", ["A"])
