"""Accounts, exports and tables: each refusal in the whole sentence that a person reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from cohorts import access
from cohorts.errors import DomainError
from cohorts.models import ExportRequest, Membership
from cohorts.services import pausing
from cohorts.services.accounts import invitations
from cohorts.services.exporting import export_requests, leaving
from cohorts.services.tables import mappings, remarked, sent_tables, two_steps
from cohorts.services.tables.sent_tables import SentTable
from tests.cohorts.refusals.world import World, is_told
from tests.factories import ConsentFactory, UploadFactory

pytestmark = pytest.mark.django_db


def invited(w, by):
    invitation, _ = invitations.invite("a@example.org", "SC", w.site, by=by)
    return invitation.pk


def run_out(w):
    invitation, key = invitations.invite("a@example.org", "LT", w.site, by=w.manager)
    invitation.expires_at = timezone.now() - timedelta(days=1)
    invitation.save()
    invitations.of_key(key)


def asked_for(w, batches=()):
    wish = export_requests.Wish("redcap", "the lab", w.site.country, "analysis", batches)
    assert w.person
    return export_requests.ask(w.site, wish, by=w.manager)


def taken_by_one_who_left(w):
    asked = asked_for(w)
    Membership.objects.filter(user=w.manager).update(role="CD", site=None)
    export_requests.file_of(asked.pk, by=w.manager)


def taken_too_late(w):
    asked = asked_for(w)
    ExportRequest.objects.filter(pk=asked.pk).update(expires_at=datetime(2024, 5, 1, tzinfo=UTC))
    export_requests.file_of(asked.pk, by=w.manager)


def taken_though_refused(w):
    asked = asked_for(w)
    refused = {"approved": False, "needs_approval": True, "note": "no ethics approval"}
    refused |= {"decided_by": w.steward, "decided_at": timezone.now(), "expires_at": None}
    ExportRequest.objects.filter(pk=asked.pk).update(**refused)
    export_requests.file_of(asked.pk, by=w.manager)


def one_column_for_two(w):
    sent = SentTable("samples", b"a,b\n1,2\n", "t.csv")
    upload = two_steps.check(w.site, sent, by=w.technician)
    mappings.confirm(upload.pk, {"sample": "a", "participant": "a"}, by=w.manager)


def discarded_by_another_lab(w):
    upload = UploadFactory(site=w.site, kind="samples", status="checked")
    two_steps.discard(upload.pk, by=w.there)


def batches_of_no_values(w):
    asked_for(w, (1,))


TABLES = {
    "redcap holds no assay values, so no batch is chosen for it; leave the batches out.": (
        batches_of_no_values
    ),
    "You are no longer this site's data manager: ask anew.": taken_by_one_who_left,
    "This export was open until 2024-05-01 00:00 UTC; ask anew.": taken_too_late,
    "This export was refused: no ethics approval": taken_though_refused,
    "FUK has no batch 999999 that may be exported: it is voided, held back or another site's.": (
        lambda w: leaving.with_batches(leaving.records_of(w.site), w.site, [999999])
    ),
    "One column of the table stands for two names; choose one.": one_column_for_two,
    "Your role at this site does not accept samples.": discarded_by_another_lab,
    "Say why: whoever sends a table of the site is told.": lambda w: pausing.pause(
        w.site.pk, because=" ", by=w.steward
    ),
    "This invitation no longer holds: ask whoever sent it for a new one.": run_out,
    "Your roles do not take that invitation back.": lambda w: invitations.withdraw(
        invited(w, w.manager), by=w.technician
    ),
    "Nobody ends a role of their own: ask another administrator.": lambda w: invitations.end_role(
        Membership.objects.get(user=w.manager).pk, by=w.manager
    ),
    "Your roles do not end that one.": lambda w: invitations.end_role(
        Membership.objects.get(user=w.manager).pk, by=w.technician
    ),
    "Your role does not fetch the tables that others have sent.": lambda w: remarked.file_of(
        UploadFactory(site=w.site), to=w.technician, form="csv"
    ),
    "'pdf' is not a form of table; choose ": lambda w: remarked.file_of(
        UploadFactory(site=w.site, sent_by=w.manager), to=w.manager, form="pdf"
    ),
    "There is no table in this file to write remarks into.": lambda w: remarked.file_of(
        UploadFactory(site=w.site, sent_by=w.manager), to=w.manager, form="csv"
    ),
    "'people' is not a kind of table; send participants, ": lambda w: sent_tables.check_kind(
        "people"
    ),
    "Unknown option 'colour'; an assay table takes ": lambda w: sent_tables.assay_options(
        {"platform": "x", "matrix": "plasma", "colour": "red"}
    ),
}


@pytest.mark.parametrize("sentence", TABLES)
def test_what_is_against_a_rule_on_tables_is_refused_in_its_sentence(sentence):
    assert is_told(TABLES[sentence], sentence)


def test_whoever_adds_rows_without_correcting_any_is_told_so(monkeypatch):
    world = World()
    sent = "sample,participant,material,tube\nT1,P1,plasma,{}\n"
    ConsentFactory(participant=world.tube.participant)
    upload = two_steps.check(
        world.site, SentTable("samples", sent.format("EDTA").encode()), by=world.technician
    )
    monkeypatch.setitem(access.TABLE, "sample", access.TABLE["sample"] | {"LT": "CR"})
    with pytest.raises(DomainError) as refused:
        two_steps.accept(upload.pk, by=world.technician, reason="read again")
    assert refused.value.sentence == "Your role at this site does not correct samples."


def test_a_file_over_the_limit_is_refused(settings):
    settings.UPLOAD_MAX_BYTES = 1024**2
    with pytest.raises(DomainError) as refused:
        sent_tables.refuse_unusable(World().site, SentTable("samples", b"x" * (1024**2 + 1)))
    assert refused.value.sentence == (
        "The file is larger than 1 MB; split it by batch and send the parts."
    )
