"""Records in the words of other programs, read back by readers that are not the project's own."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
from django.core.management import call_command
from fhir.resources.bundle import Bundle
from fhir.resources.R4B.bundle import Bundle as BundleOfR4
from pydantic import ValidationError

from cohorts.errors import UnusableRequest
from cohorts.models import AssayBatch, AssayRow, BatchFeature, ExportRequest, RecordExport, Sample
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services import consent
from cohorts.services.exporting import export_requests, record_exports
from cohorts.services.exporting.export_requests import Wish
from tests.factories import (
    SCOPES,
    AssayBatchFactory,
    ConsentFactory,
    FeatureFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("level", "state"), [(1, "on-study"), (2, "withdrawn")])
def test_a_wish_for_no_contact_or_no_new_data_leaves_with_the_records(site, level, state):
    person = site.participants.get(code="F001")
    person.consents.update(scopes=[*SCOPES, "recontact"])
    assert "recontact" in exported(site, "redcap")
    assert "2024-04-01 09:30" in exported(site, "redcap")  # as the clock stood in Fukuoka
    consent.withdraw(person.pk, level=level, by=None)
    for form in ("redcap", "fhir", "fhir-r4"):
        assert "recontact" not in exported(site, form)
    read = BundleOfR4.model_validate_json(exported(site, "fhir-r4"))
    (subject,) = [
        entry.resource
        for entry in read.entry
        if entry.resource.get_resource_type() == "ResearchSubject"
        and entry.resource.id.endswith("F001")
    ]
    assert subject.status == state
    assert (subject.period.end is None) == (level == 1)
    later = Bundle.model_validate_json(exported(site, "fhir"))
    told = [entry.resource for entry in later.entry if entry.resource.id == subject.id]
    assert any(getattr(each, "progress", None) for each in told) == (level == 2)


@pytest.fixture
def site():
    here = SiteFactory(code="FUK", name="Fukuoka")
    for code, sex, age in (("F001", "female", 31.5), ("F002", "male", 44.0), ("F003", "male", 50)):
        ConsentFactory(
            participant__site=here,
            participant__code=code,
            participant__sex=sex,
            participant__age_years=age,
            participant__birth_year=1990,
        )
    tube = SampleFactory(
        participant=here.participants.get(code="F001"),
        code="T/1",
        tube="=EDTA",
        collected_at=datetime(2024, 4, 1, 0, 30, tzinfo=UTC),
    )
    SampleFactory(participant=tube.participant, code="T-1", parent=tube, material="serum")
    gone = SampleFactory(participant=here.participants.get(code="F003"), code="T3")
    batch = AssayBatchFactory(site=here, platform="LC-MS")
    BatchFeature.objects.create(
        batch=batch, position=0, feature=FeatureFactory(), source_name="Arg", unit="umol/L"
    )
    for sample in (tube, gone):
        AssayRow.objects.create(
            batch=batch,
            sample=sample,
            label=sample.code,
            packed_values=pack_values(np.array([82.5])),
            packed_flags=pack_flags(np.zeros(1, dtype=np.uint8)),
        )
    consent.withdraw(here.participants.get(code="F003").pk, level=3, by=None)
    return here


def exported(site, form):
    content = record_exports.export(site, form, reason="hand-over", by=None).content
    if not record_exports.FORMATS[form].of_assays:
        return content.decode()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(archive.read(name).decode() for name in archive.namelist())


def test_a_fhir_bundle_is_valid_and_says_what_the_books_say(site):
    bundle = Bundle.model_validate_json(exported(site, "fhir"))
    by_type: dict[str, list] = {}
    for entry in bundle.entry:
        by_type.setdefault(entry.resource.get_resource_type(), []).append(entry.resource)
    assert {name: len(found) for name, found in by_type.items()} == {
        "ResearchStudy": 1,
        "Patient": 2,
        "ResearchSubject": 2,
        "Consent": 2,
        "Specimen": 2,
    }
    person = by_type["Patient"][0]
    assert (person.identifier[0].value, person.gender) == ("F001", "female")
    assert person.name is None
    specimens = {each.identifier[0].value: each for each in by_type["Specimen"]}
    assert specimens["T/1"].collection.collectedDateTime == datetime(2024, 4, 1, 0, 30, tzinfo=UTC)
    assert specimens["T-1"].parent[0].reference.endswith(f":Specimen:{specimens['T/1'].id}")
    assert len({entry.fullUrl for entry in bundle.entry}) == len(bundle.entry)


@pytest.mark.parametrize("form", ["fhir", "fhir-r4"])
def test_every_reference_of_a_bundle_leads_to_one_of_its_resources(site, form):
    text = exported(site, form)
    addresses = {entry["fullUrl"] for entry in json.loads(text)["entry"]}
    references = re.findall(r'"reference": "([^"]+)"', text)
    assert len(references) >= 8
    assert set(references) <= addresses


@pytest.mark.parametrize("status", ["used_up", "blocked", "destroyed"])
def test_a_tube_that_nobody_can_have_is_not_offered(site, status):
    Sample.objects.filter(code="T-1").update(status=status)
    specimens = {
        entry["resource"]["identifier"][0]["value"]: entry["resource"]["status"]
        for entry in json.loads(exported(site, "fhir"))["entry"]
        if entry["resource"]["resourceType"] == "Specimen"
    }
    assert specimens == {"T/1": "available", "T-1": "unavailable"}
    (collection,) = json.loads(exported(site, "miabis"))["sampleCollections"]
    assert (collection["numberOfSamples"], collection["materialTypes"]) == (1, {"Plasma": 1})


def test_a_bundle_of_fhir_r4_is_valid_there_and_says_the_same(site):
    bundle = BundleOfR4.model_validate_json(exported(site, "fhir-r4"))
    by_type: dict[str, list] = {}
    for entry in bundle.entry:
        by_type.setdefault(entry.resource.get_resource_type(), []).append(entry.resource)
    subject, signed = by_type["ResearchSubject"][0], by_type["Consent"][0]
    assert (subject.assignedArm, subject.status) == ("hikikomori", "on-study")
    assert (
        subject.individual.reference
        == signed.patient.reference
        == ("urn:hikiproject:Patient:FUK.F001")
    )
    assert {each.code for each in signed.provision.purpose} == set(SCOPES)
    assert [len(by_type[name]) for name in ("Patient", "Specimen")] == [2, 2]
    with pytest.raises(ValidationError):  # the two versions are not the same words
        BundleOfR4.model_validate_json(exported(site, "fhir"))


def test_redcap_reads_people_and_their_samples(site):
    text = exported(site, "redcap")
    rows = list(csv.DictReader(io.StringIO(text)))
    people = [row for row in rows if not row["redcap_repeat_instrument"]]
    assert [(row["record_id"], row["sex"], row["age_years"]) for row in people] == [
        ("F001", "female", "31.5"),
        ("F002", "male", "44.0"),
    ]
    tubes = [row for row in rows if row["redcap_repeat_instrument"] == "samples"]
    assert [row["redcap_repeat_instance"] for row in tubes] == ["1", "2"]
    assert {row["sample_code"]: row["sample_tube"] for row in tubes}["T/1"] == "'=EDTA"


def test_a_miabis_collection_counts_and_names_nobody(site):
    text = exported(site, "miabis")
    (collection,) = json.loads(text)["sampleCollections"]
    assert (collection["numberOfSamples"], collection["numberOfDonors"]) == (2, 1)
    assert (collection["ageLow"], collection["ageHigh"]) == (31, 32)
    assert collection["materialTypes"] == {"Plasma": 1, "Serum": 1}
    assert "F001" not in text


@pytest.mark.parametrize("form", record_exports.FORMATS)
def test_who_stopped_further_use_is_in_no_export(site, form):
    assert "F003" not in exported(site, form)
    assert "T3" not in exported(site, form)


def test_an_export_is_on_record_with_its_reason(site):
    manager = user_with("SD", site)
    record_exports.export(site, "fhir", reason="partner's registry", by=manager)
    kept = RecordExport.objects.visible_to(user_with("AU", site)).get()
    assert (kept.reason, kept.exported_by, kept.n_participants) == (
        "partner's registry",
        manager,
        2,
    )


@pytest.mark.parametrize(
    ("form", "reason", "sentence"),
    [
        ("fhir", " ", "Say why the records are exported"),
        (
            "xml",
            "x",
            "'xml' is not a format; choose one of fhir, .*, mwtab, mztab-m, isa-tab",
        ),
    ],
)
def test_an_export_that_cannot_be_is_refused(site, form, reason, sentence):
    with pytest.raises(UnusableRequest, match=sentence):
        record_exports.export(site, form, reason=reason, by=None)
    assert not RecordExport.objects.exists()


@pytest.mark.parametrize("form", ["mwtab", "mztab-m", "isa-tab"])
def test_values_leave_with_their_sample_and_are_counted(site, form):
    assert {"T/1", "82.5"} <= set(re.split(r"[\t\n\[\]]", exported(site, form)))
    kept = RecordExport.objects.get()
    assert (kept.n_participants, kept.n_samples) == (1, 1)


def test_the_batches_of_an_export_are_chosen_by_their_number(site):
    batch = site.assay_batches.get()
    other = AssayBatchFactory()
    for wrong in (other.pk, 999_999):
        with pytest.raises(UnusableRequest, match=f"FUK has no batch {wrong} that may be exported"):
            record_exports.export(site, "mwtab", reason="x", by=None, batches=[wrong])
    with pytest.raises(UnusableRequest, match="redcap holds no assay values, so no batch"):
        record_exports.export(site, "redcap", reason="x", by=None, batches=[batch.pk])
    AssayBatch.objects.update(status="voided", void_reason="wrong plate")
    with pytest.raises(UnusableRequest, match="FUK has no assay values that may be exported"):
        record_exports.export(site, "mwtab", reason="x", by=None)
    assert not RecordExport.objects.exists()


def test_a_batch_that_the_format_cannot_tell_of_is_refused_in_words(site):
    AssayBatch.objects.update(platform="clinical chemistry")
    with pytest.raises(UnusableRequest, match="export it as ISA-Tab"):
        record_exports.export(site, "mwtab", reason="x", by=None)
    assert not RecordExport.objects.exists()
    wish = Wish(format="mztab-m", recipient="archive", recipient_country="JP", reason="x")
    with pytest.raises(UnusableRequest, match="mzTab-M tells of mass spectrometry alone"):
        export_requests.ask(site, wish, by=user_with("SD", site))
    assert not ExportRequest.objects.exists()


def test_a_site_without_anybody_exports_nothing():
    with pytest.raises(UnusableRequest, match="nobody whose records may be exported"):
        record_exports.export(SiteFactory(code="TYO"), "fhir", reason="x", by=None)


def test_the_command_writes_the_file_and_says_what_is_in_it(site, tmp_path, capsys):
    call_command("export_records", format="miabis", site="FUK", to=tmp_path, reason="catalogue")
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text())["sampleCollections"][0]["acronym"] == "FUK"
    assert "2 participants, 2 samples" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call_command("export_records", format="miabis", site="FUK", to=tmp_path)
    assert "Say why the records are exported." in capsys.readouterr().err
