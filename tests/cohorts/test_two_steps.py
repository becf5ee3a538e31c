"""A table in two steps: what it would do is shown, then somebody accepts it."""

import pytest

from cohorts.errors import BooksHaveMoved, NotAllowed, UnusableRequest
from cohorts.models import (
    EVENTS,
    AssayBatch,
    AssayRow,
    Assessment,
    Change,
    Consent,
    Participant,
    Sample,
    Upload,
)
from cohorts.services.tables import two_steps
from cohorts.services.tables.sent_tables import SentTable
from tests.cohorts.test_uploads import ASSAYS, PEOPLE, PLASMA, SAMPLES, enrolled, send
from tests.factories import SiteFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


def checked(site, kind, text, by=None, **options):
    sent = SentTable(kind, text.encode(), f"{kind}.csv", options)
    return two_steps.check(site, sent, by=by)


def corrected(site, kind, text, reason="typing error", **options):
    return two_steps.accept(checked(site, kind, text, **options).pk, by=None, reason=reason)


def counts(upload):
    preview = upload.report["preview"]
    return preview["new"], preview["changed"], preview["unchanged"]


def cells(upload):
    return [
        (c["row"], c["record"], c["column"], c["earlier"], c["new"])
        for c in upload.report["preview"]["cells"]
    ]


def told(upload):
    assert upload.status == Upload.Status.REJECTED
    return [fault["text"] for fault in upload.report["faults"]]


def test_a_checked_table_is_not_yet_in_the_books(site):
    upload = checked(site, "participants", PEOPLE)
    assert (upload.status, counts(upload)) == (Upload.Status.CHECKED, (3, 0, 0))
    assert not Participant.objects.exists()
    assert not Change.objects.exists()
    accepted = two_steps.accept(upload.pk, by=None)
    assert accepted.status == Upload.Status.ACCEPTED
    assert Participant.objects.count() == 3
    assert Consent.objects.count() == 2
    assert Change.objects.get().counts == {"new": 3, "corrected": 0}


def test_a_table_with_faults_is_refused_at_its_check(site):
    upload = checked(site, "participants", PEOPLE.replace("F002,m,", "F002,man,"))
    assert told(upload) == [
        'row 3, column sex: "man" is not a known sex; known are female, male, intersex, unknown.'
    ]
    with pytest.raises(UnusableRequest, match="This table is rejected; send it and look"):
        two_steps.accept(upload.pk, by=None)


def test_people_sent_again_are_shown_as_new_changed_and_unchanged(site):
    send(site, "participants", PEOPLE)
    again = PEOPLE.replace("F001,f,hikikomori,2024-04-01,31", "F001,f,hikikomori,2024-04-01,32")
    again += "F004,f,hikikomori,2024-04-03,30,,,\n"
    upload = checked(site, "participants", again)
    assert counts(upload) == (1, 1, 2)
    assert cells(upload) == [(2, "F001", "age_years", "31", "32")]
    with pytest.raises(UnusableRequest, match="Say why the values on the books are corrected"):
        two_steps.accept(upload.pk, by=None)
    two_steps.accept(upload.pk, by=None, reason="age was read from the wrong line")
    person = Participant.objects.get(code="F001")
    assert (person.age_years, person.version) == (32, 2)
    assert Participant.objects.get(code="F002").version == 1
    assert Participant.objects.count() == 4
    events = EVENTS[Participant].objects.filter(pgh_obj_id=person.pk).order_by("pgh_id")
    assert [event.age_years for event in events] == [31, 32]
    assert events.last().pgh_context["reason"] == "age was read from the wrong line"
    assert events.last().pgh_context["upload"] == str(upload.pk)
    assert Change.objects.last().counts == {"new": 1, "corrected": 1}


def test_columns_that_the_table_lacks_stay_as_they_are(site):
    send(site, "participants", PEOPLE)
    few = "participant,sex,group,enrolled_on\nF001,m,hikikomori,2024-04-01\n"
    corrected(site, "participants", few)
    person = Participant.objects.get(code="F001")
    assert (person.sex, person.age_years) == ("male", 31)


def test_a_table_does_not_change_the_consent_of_somebody_enrolled(site):
    send(site, "participants", PEOPLE)
    more = PEOPLE.replace("2024-04-01,store_samples;metabolomics;", "2024-04-01,store_samples;")
    assert told(checked(site, "participants", more)) == [
        "row 2, column consent_scopes: F001 has no such consent on record, and a table does not "
        "change the consent of somebody enrolled; record it on the consent page, or empty these "
        "cells."
    ]


def test_a_sample_is_corrected_in_the_cells_that_differ(site):
    enrolled(site)
    upload = corrected(site, "samples", SAMPLES.replace("T09:30", "T09:45"))
    assert cells(upload) == [
        (2, "T1", "spun_at", "2024-04-01 09:30+09:00", "2024-04-01 09:45+09:00")
    ]
    assert Sample.objects.get(code="T1").spin_delay_hours == 0.75


def test_a_cell_that_breaks_a_rule_beside_what_is_on_the_books_is_named(site):
    enrolled(site)
    part = "sample,participant,material,spun_at\nT1,F001,plasma,2024-04-01T08:00\n"
    assert told(checked(site, "samples", part)) == [
        "row 2, column spun_at: Spun before it was collected: check both times."
    ]


def test_a_tube_does_not_leave_its_aliquots_with_somebody_else(site):
    enrolled(site)
    send(site, "samples", "sample,participant,material,parent\nT1-A,F001,plasma,T1\n")
    moved = "sample,participant,material\nT1,F002,plasma\n"
    assert told(checked(site, "samples", moved)) == [
        'row 2, column participant: "T1-A" was made of this sample; send it in this table too, '
        "with the same participant."
    ]
    corrected(site, "samples", moved + "T1-A,F002,plasma\n")
    assert set(Sample.objects.values_list("code", "participant__code")) == {
        ("T1", "F002"),
        ("T1-A", "F002"),
        ("T2", "F002"),
    }


def test_a_corrected_answer_is_scored_anew(site):
    send(site, "participants", PEOPLE)
    head = "participant,instrument,assessed_on," + ",".join(f"item_{n}" for n in range(1, 26))
    send(site, "assessments", f"{head}\nF001,HQ-25,2024-04-01,{','.join(['4'] * 25)}\n")
    upload = corrected(
        site, "assessments", f"{head}\nF001,HQ-25,2024-04-01,{','.join(['3'] + ['4'] * 24)}\n"
    )
    assert cells(upload) == [(2, "F001 HQ-25 2024-04-01", "item_1", "4", "3")]
    assert Assessment.objects.get().score == 71


# --- laboratory values


def lab(site):
    enrolled(site)
    send(site, "assays", ASSAYS, **PLASMA)
    return AssayBatch.objects.get()


def stored(site):
    batch = AssayBatch.objects.accepted().get()
    return {
        row.label: [(v if f != 2 else None) for v, f in zip(row.values, row.flags, strict=True)]
        for row in AssayRow.objects.filter(batch=batch)
    }


def test_a_corrected_value_makes_a_new_version_of_its_batch(site):
    first = lab(site)
    upload = corrected(site, "assays", ASSAYS.replace("77.125", "71.5"), **PLASMA)
    assert counts(upload) == (0, 1, 1)
    assert cells(upload) == [(3, "T2", "arginine", "77.125", "71.5")]
    assert stored(site) == {"T1": [82.5, 0.5, 31.0], "T2": [71.5, 60.0, None]}
    first.refresh_from_db()
    assert (first.status, first.void_reason) == ("voided", "Corrected: typing error")
    assert first.replaced_by.version == 2
    assert AssayRow.objects.get(batch=first, label="T2").values[0] == 77.125


def test_rows_and_columns_that_are_not_sent_again_stay(site):
    lab(site)
    corrected(site, "assays", "sample,ornithine [umol/L]\nT1,<LOD\n", **PLASMA)
    rows = stored(site)
    assert rows["T2"] == [77.125, 60.0, None]
    assert rows["T1"][0] == 82.5


def test_a_plate_sent_again_in_full_takes_its_new_row_into_the_batch(site):
    enrolled(site)
    send(site, "assays", ASSAYS.replace("T2,77.125,60,\n", ""), **PLASMA)
    upload = corrected(site, "assays", ASSAYS, reason="", **PLASMA)
    assert counts(upload) == (1, 0, 1)
    assert set(stored(site)) == {"T1", "T2"}


def test_the_same_values_again_change_nothing(site):
    first = lab(site)
    upload = corrected(site, "assays", ASSAYS + "\n", reason="", **PLASMA)
    assert counts(upload) == (0, 0, 2)
    assert AssayBatch.objects.get() == first
    assert Change.objects.filter(kind="assays").count() == 1


def test_a_unit_is_corrected_for_the_whole_batch_or_not_at_all(site):
    lab(site)
    part = "sample,arginine [mmol/L]\nT1,82.5\n"
    assert told(checked(site, "assays", part, **PLASMA)) == [
        'column arginine: the batch has it in "umol/L" and this table in "mmol/L", but 1 of its '
        "rows are not in this table; send them all, or keep the unit."
    ]
    upload = corrected(site, "assays", part + "T2,77.125\n", **PLASMA)
    assert cells(upload)[0] == (2, "T1", "arginine", "82.5 umol/L", "82.5 mmol/L")
    column = AssayBatch.objects.accepted().get().columns.get(source_name="arginine")
    assert (column.unit, column.factor) == ("mmol/L", 1000)


def test_a_correction_says_on_which_scale_and_in_which_batch(site):
    lab(site)
    log = checked(site, "assays", "sample,arginine [umol/L]\nT1,6.3\n", scale="log2", **PLASMA)
    assert told(log) == [
        "row 2, column sample: T1 has values of LC-MS in plasma that were sent as raw, and this "
        "table is sent as log2; choose the same."
    ]
    send(site, "assays", "sample,proline [umol/L]\nT1,30\n", **PLASMA)
    both = "sample,arginine [umol/L],proline [umol/L]\nT1,82,30\n"
    twice = checked(site, "assays", both, **PLASMA)
    assert told(twice) == [
        "row 2, column sample: T1 has values in two batches of LC-MS in plasma; have one of them "
        "voided first."
    ]


# --- who, and when


def test_what_changed_between_check_and_acceptance_is_told(site):
    send(site, "participants", PEOPLE)
    upload = checked(site, "participants", PEOPLE.replace(",31,", ",32,"))
    corrected(site, "participants", PEOPLE.replace(",31,", ",33,"))
    with pytest.raises(BooksHaveMoved, match="look at what the table would do now"):
        two_steps.accept(upload.pk, by=None, reason="age")
    upload.refresh_from_db()
    assert upload.status == Upload.Status.CHECKED
    assert cells(upload) == [(2, "F001", "age_years", "33", "32")]
    two_steps.accept(upload.pk, by=None, reason="age")
    assert Participant.objects.get(code="F001").age_years == 32


def test_a_table_that_has_faults_by_now_is_refused(site):
    enrolled(site)
    upload = checked(site, "assays", ASSAYS, **PLASMA)
    Sample.objects.filter(code="T2").delete()
    with pytest.raises(BooksHaveMoved, match="the table now has faults"):
        two_steps.accept(upload.pk, by=None)
    upload.refresh_from_db()
    assert upload.status == Upload.Status.REJECTED
    assert not AssayRow.objects.exists()


def test_values_are_corrected_by_two_people(site):
    lab(site)
    sender, second = user_with("SD", site), user_with("SD", site)
    upload = checked(site, "assays", ASSAYS.replace("77.125", "71.5"), by=sender, **PLASMA)
    for person in (sender, user_with("LT", site)):
        with pytest.raises(NotAllowed, match="accepted by a second person"):
            two_steps.accept(upload.pk, by=person, reason="typing error")
    two_steps.accept(upload.pk, by=second, reason="typing error")
    assert stored(site)["T2"][0] == 71.5


def test_a_data_manager_corrects_people_and_does_not_enrol(site):
    send(site, "participants", PEOPLE)
    manager = user_with("SD", site)
    more = checked(
        site, "participants", PEOPLE + "F004,f,hikikomori,2024-04-03,30,,,\n", by=manager
    )
    with pytest.raises(NotAllowed, match="1 rows are new, and your role corrects participants"):
        two_steps.accept(more.pk, by=manager)
    fewer = checked(site, "participants", PEOPLE.replace(",31,", ",32,"), by=manager)
    assert two_steps.accept(fewer.pk, by=manager, reason="age").accepted_by == manager


def test_an_auditor_accepts_and_discards_nothing(site):
    upload = checked(site, "participants", PEOPLE)
    auditor = user_with("AU", site)
    for step in (two_steps.accept, two_steps.discard):
        with pytest.raises(NotAllowed, match="does not accept participants"):
            step(upload.pk, by=auditor)


def test_a_discarded_table_stays_out_and_may_be_sent_again(site):
    upload = checked(site, "participants", PEOPLE)
    person = user_with("SC", site, username="sato")
    two_steps.discard(upload.pk, by=person)
    upload.refresh_from_db()
    assert (upload.status, upload.report["discarded_by"]) == ("rejected", "sato")
    with pytest.raises(UnusableRequest, match="only a checked one is discarded"):
        two_steps.discard(upload.pk, by=person)
    assert checked(site, "participants", PEOPLE).status == Upload.Status.CHECKED
