"""A site's table on its way in: what is taken, what is refused, and in which words."""

import csv
import io

import numpy as np
import pytest

from cohorts.errors import NoSuchSite, NotAllowed, UnusableRequest
from cohorts.ingest.child import client
from cohorts.models import (
    AssayBatch,
    AssayRow,
    Assessment,
    Change,
    ColumnMapping,
    Participant,
    Sample,
    Upload,
)
from cohorts.services import consent as consents
from cohorts.services import uploads
from cohorts.services.tables import books, files, sent_tables, table_checks
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import SiteFactory, user_with

pytestmark = pytest.mark.django_db

PEOPLE = """\
participant,sex,group,enrolled_on,age_years,consent_version,consent_signed_on,consent_scopes
F001,f,hikikomori,2024-04-01,31,1.0,2024-04-01,store_samples;metabolomics;share_consortium
F002,m,healthy_control,2024-04-02,33,1.0,2024-04-02,store_samples;metabolomics;share_consortium
F003,m,hikikomori,2024-04-02,27,,,
"""
SAMPLES = """sample,participant,material,collected_at,spun_at
T1,F001,plasma,2024-04-01T09:00,2024-04-01T09:30
T2,F002,plasma,2024-04-02T09:00,2024-04-02T10:00
"""
ASSAYS = """sample,arginine [umol/L],ornithine [umol/L],citrulline [umol/L]
T1,82.5,<0.5,31
T2,77.125,60,
"""
PLASMA = {"platform": "LC-MS", "matrix": "plasma"}


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


def send(site, kind, text, **options):
    content = text.encode() if isinstance(text, str) else text
    return uploads.submit(site, SentTable(kind, content, f"{kind}.csv", options), by=None)


def enrolled(site):
    send(site, "participants", PEOPLE)
    send(site, "samples", SAMPLES)
    return site


def faults(upload):
    assert upload.status == Upload.Status.REJECTED
    return [fault["text"] for fault in upload.report["faults"]]


def test_people_samples_and_values_arrive_as_they_were_sent(site):
    enrolled(site)
    assert send(site, "assays", ASSAYS, **PLASMA).status == Upload.Status.ACCEPTED
    assert Participant.objects.get(code="F001").consents.get().form.version == "1.0"
    assert Sample.objects.get(code="T1").spin_delay_hours == 0.5
    row = AssayRow.objects.get(sample__code="T1")
    assert row.values.tolist() == [82.5, 0.5, 31.0]
    assert row.flags.tolist() == [0, 1, 0]
    other = AssayRow.objects.get(sample__code="T2")
    assert np.isnan(other.values[2])
    assert other.flags.tolist() == [0, 0, 2]


def test_a_score_is_derived_and_not_typed_in(site):
    send(site, "participants", PEOPLE)
    items = ",".join(f"item_{n}" for n in range(1, 26))
    answers = ",".join(["4"] * 25)
    table = (
        f"participant,instrument,assessed_on,language,{items}\nF001,HQ-25,2024-04-01,ja,{answers}\n"
    )
    send(site, "assessments", table)
    # Seven items are reversed: 18 x 4.
    assert Assessment.objects.get().score == 72


def test_each_accepted_table_is_one_change(site):
    enrolled(site)
    assert list(Change.objects.values_list("kind", "site__code").order_by("pk")) == [
        ("participants", "FUK"),
        ("samples", "FUK"),
    ]


def test_the_same_file_twice_is_one_upload(site):
    first = send(site, "participants", PEOPLE)
    second = send(site, "participants", PEOPLE)
    assert first.pk == second.pk
    assert Participant.objects.count() == 3
    assert Change.objects.count() == 1


def test_a_file_that_was_rewritten_meanwhile_is_read_again_and_not_taken_as_it_was_sent(
    site, monkeypatch, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path  # where no earlier test has left the same file
    enrolled(site)
    without = files.store("".join(ASSAYS.splitlines(keepends=True)[:2]).encode())
    row_of = uploads._row_of

    def before_an_erasure(*sent, **by):
        upload = row_of(*sent, **by)
        Upload.objects.filter(pk=upload.pk).update(sha256=without)
        return upload

    monkeypatch.setattr(uploads, "_row_of", before_an_erasure)
    send(site, "assays", ASSAYS, **PLASMA)
    assert [row.label for row in AssayRow.objects.all()] == ["T1"]
    assert not files.path_of(files.digest_of(ASSAYS.encode())).exists()


def test_a_file_that_was_removed_as_nobodys_while_it_was_checked_is_stored_again(site, monkeypatch):
    hold = files.hold_for_naming

    def after_a_removal():
        files.path_of(files.digest_of(PEOPLE.encode())).unlink(missing_ok=True)
        hold()

    monkeypatch.setattr(files, "hold_for_naming", after_a_removal)
    upload = send(site, "participants", PEOPLE)
    assert files.read(upload.sha256) == PEOPLE.encode()


def test_a_table_is_read_once_unless_it_came_to_be_read_in_another_way(site, monkeypatch):
    enrolled(site)
    begun = []
    begin = client.begin_check
    monkeypatch.setattr(client, "begin_check", lambda *how: begun.append(how) or begin(*how))
    send(site, "assays", ASSAYS, **PLASMA)
    assert len(begun) == 1
    facts_of = books.facts_of

    def while_a_mapping_is_saved(*asked):
        ColumnMapping.objects.create(site=site, kind="assays", columns={"sample": "tube"})
        return facts_of(*asked)

    monkeypatch.setattr(books, "facts_of", while_a_mapping_is_saved)
    other = ASSAYS.replace("sample,", "tube,")
    assert (
        send(site, "assays", other, platform="NMR", matrix="plasma").status
        == Upload.Status.ACCEPTED
    )
    assert len(begun) == 3


def test_a_refused_file_is_kept_and_may_be_sent_again_once_its_cause_is_gone(site):
    early = send(site, "samples", SAMPLES)
    assert early.status == Upload.Status.REJECTED
    send(site, "participants", PEOPLE)
    later = send(site, "samples", SAMPLES)
    assert (later.pk, later.status) == (early.pk, Upload.Status.ACCEPTED)


def test_of_a_refused_table_nothing_is_stored(site):
    enrolled(site)
    broken = ASSAYS + "T9,1,1,1\n"
    assert len(faults(send(site, "assays", broken, **PLASMA))) == 1
    assert not AssayBatch.objects.exists()
    assert not AssayRow.objects.exists()


def test_every_fault_is_told_at_once(site):
    broken = PEOPLE.replace("31,1.0", "old,1.0").replace("F002,m,", "F002,man,")
    assert faults(send(site, "participants", broken)) == [
        'row 2, column age_years: "old" is not a number; write plain digits, or leave the cell '
        "empty.",
        'row 3, column sex: "man" is not a known sex; known are female, male, intersex, unknown.',
    ]


BAD_INPUT = {
    "an empty file": (
        "participants",
        b"",
        "participants.csv is empty; send the table with its header.",
    ),
    "not a table": (
        "participants",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        "participants.csv is a picture; export the table as CSV or .xlsx.",
    ),
    "an unknown column": (
        "participants",
        PEOPLE.replace("age_years", "age_yaers"),
        'column age_yaers: not a column of participants tables (did you mean "age_years"?); '
        "rename it, map it or leave it out.",
    ),
    "a personal column": (
        "participants",
        PEOPLE.replace("age_years", "birth_date"),
        "column birth_date: personal data are not taken; remove this column and send study codes "
        "alone.",
    ),
    "a duplicate sample": (
        "samples",
        SAMPLES.replace("T1,", "T8,").replace("T2,", "T8,"),
        'row 3, column sample: "T8" is also in row 2; keep one row a sample.',
    ),
    "a sample on the books": (
        "samples",
        SAMPLES.replace("T2,", "T9,"),
        'row 2, column sample: "T1" is already on the books of FUK; leave this row out, or correct '
        "the sample there.",
    ),
    "a participant without consent": (
        "samples",
        SAMPLES.replace("T1,", "T8,").replace("T2,F002", "T9,F003"),
        "row 3, column participant: F003 has no consent on record that covers store_samples; "
        "record the consent first.",
    ),
    "an unknown participant": (
        "samples",
        SAMPLES.replace("T1,", "T8,").replace("T2,F002", "T9,F020"),
        'row 3, column participant: "F020" is not a participant of FUK; enrol first.',
    ),
    "text in a number": (
        "assays",
        ASSAYS.replace("77.125", "many"),
        'row 3, column arginine [umol/L]: "many" is not a number; write plain digits, or leave the '
        "cell empty.",
    ),
    "a negative concentration": (
        "assays",
        ASSAYS.replace("77.125", "-3"),
        'row 3, column arginine [umol/L]: "-3" is negative, which no concentration is; correct it, '
        "write <LOD if it is below detection, or name the scale if the table is in logarithms.",
    ),
    "a unit that does not fit": (
        "assays",
        ASSAYS.replace("citrulline [umol/L]", "citrulline [U/L]"),
        'column citrulline [U/L]: citrulline: "U/L" does not convert to umol/L: an activity is not '
        "an amount; send umol/L, or name it as another feature.",
    ),
    "an unknown sample": (
        "assays",
        ASSAYS.replace("T2", "T7"),
        'row 3, column sample: "T7" is not a sample of FUK; send the samples table first, or give '
        "its sample_type (qc, blank).",
    ),
}


@pytest.mark.parametrize("what", BAD_INPUT)
def test_bad_input_is_refused_in_words(site, what):
    kind, text, sentence = BAD_INPUT[what]
    enrolled(site)
    before = (Participant.objects.count(), Sample.objects.count(), AssayRow.objects.count())
    assert sentence in faults(send(site, kind, text, **(PLASMA if kind == "assays" else {})))
    assert before == (
        Participant.objects.count(),
        Sample.objects.count(),
        AssayRow.objects.count(),
    )


def test_values_of_somebody_who_withdrew_are_refused_by_row(site):
    enrolled(site)
    consents.withdraw(Participant.objects.get(code="F001").pk, level=2, by=None)
    told = faults(send(site, "assays", ASSAYS, **PLASMA))
    assert told[0].startswith("row 2, column sample: ")
    assert "withdrawn" in told[0]


def test_a_table_needs_its_platform_and_matrix(site):
    with pytest.raises(UnusableRequest, match="An assay table needs its platform"):
        send(site, "assays", ASSAYS)


def test_an_unknown_scale_names_the_known_ones(site):
    with pytest.raises(UnusableRequest, match="choose one of raw, log2, ln, log10, standardised"):
        send(site, "assays", ASSAYS, **PLASMA, scale="log3")


def test_a_file_that_is_too_large_is_refused_before_it_is_stored(site, settings):
    settings.UPLOAD_MAX_BYTES = 10
    with pytest.raises(UnusableRequest, match="split it by batch"):
        send(site, "participants", PEOPLE)
    assert not Upload.objects.exists()


def test_a_dry_run_stores_nothing(site):
    report = table_checks.dry_run(site, SentTable("participants", PEOPLE.encode(), "p.csv"))
    assert report.ok
    assert not Upload.objects.exists()
    assert not Participant.objects.exists()


def test_unknown_and_foreign_sites_are_refused_in_the_same_words(site):
    coordinator = user_with("SC", site)
    SiteFactory(code="TYO")
    said = []
    for code in ("TYO", "XXX"):
        with pytest.raises(NoSuchSite) as refusal:
            sent_tables.site_for(coordinator, code, "participants")
        said.append(str(refusal.value).replace(code, "?"))
    assert said[0] == said[1] == "There is no site '?' that you can send tables for."


def test_a_technician_sends_assays_and_not_people(site):
    technician = user_with("LT", site)
    assert sent_tables.site_for(technician, "FUK", "assays") == site
    with pytest.raises(NotAllowed, match="ask a site coordinator there"):
        sent_tables.site_for(technician, "FUK", "participants")


def test_a_file_is_kept_under_its_content(site):
    upload = send(site, "participants", PEOPLE)
    assert files.read(upload.sha256) == PEOPLE.encode()
    assert not list(files.path_of(upload.sha256).parent.glob(".incoming-*"))


def test_a_wide_table_of_many_values_is_read_back_exactly(site):
    rng = np.random.default_rng(1)
    n_people, n_features = 30, 40
    people = "".join(
        f"P{n},m,hikikomori,2024-01-01,30,1.0,2024-01-01,store_samples;metabolomics\n"
        for n in range(n_people)
    )
    send(site, "participants", PEOPLE.splitlines()[0] + "\n" + people)
    send(
        site,
        "samples",
        "sample,participant,material\n" + "".join(f"S{n},P{n},serum\n" for n in range(n_people)),
    )
    values = np.exp(rng.normal(size=(n_people, n_features)))
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(["sample", *(f"metabolite {n} [relative]" for n in range(n_features))])
    writer.writerows([f"S{n}", *map(repr, map(float, row))] for n, row in enumerate(values))
    assert send(site, "assays", sheet.getvalue(), **PLASMA).status == Upload.Status.ACCEPTED
    stored = np.vstack([row.values for row in AssayRow.objects.order_by("sample__pk")])
    assert (stored == values).all()


@pytest.mark.parametrize("kind", ["participants", "samples", "assessments"])
def test_a_table_without_any_known_column_is_refused_in_words(site, kind):
    told = faults(send(site, kind, "colour,shape\nred,round\n"))
    assert any(sentence.startswith("column colour: not a column of") for sentence in told)
