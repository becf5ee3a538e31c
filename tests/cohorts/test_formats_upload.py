import pytest

from cohorts.models import AssayRow, Upload
from cohorts.templatetags.portal import begun
from tests.cohorts.test_uploads import PLASMA, enrolled, faults, send
from tests.factories import SiteFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


def test_values_may_come_in_the_format_of_a_repository(site):
    enrolled(site)
    text = (
        "#METABOLOMICS WORKBENCH STUDY_ID:ST000001 ANALYSIS_ID:AN000001\n"
        "#MS_METABOLITE_DATA\nMS_METABOLITE_DATA:UNITS\tumol/L\nMS_METABOLITE_DATA_START\n"
        "Samples\tT1\tT2\narginine\t82.5\t77.125\nMS_METABOLITE_DATA_END\n#END\n"
    )
    upload = send(site, "assays", text, **PLASMA)
    assert upload.status == Upload.Status.ACCEPTED, upload.report
    assert AssayRow.objects.get(sample__code="T2").values.tolist() == [77.125]
    assert "no line in SUBJECT_SAMPLE_FACTORS" in upload.report["warnings"][0]["text"]


def test_a_file_of_a_repository_is_refused_by_its_line(site):
    enrolled(site)
    text = "#METABOLOMICS WORKBENCH STUDY_ID:ST000001\n#PROJECT\nPR:PROJECT_TITLE Withdrawal\n"
    (fault,) = faults(send(site, "assays", text, **PLASMA))
    assert "line 3, section PROJECT: no tab after" in fault


def test_a_bad_value_in_a_line_of_many_samples_is_told_by_substance_and_sample(site, client):
    enrolled(site)
    text = (
        "#METABOLOMICS WORKBENCH STUDY_ID:ST000001 ANALYSIS_ID:AN000001\n"
        "#MS_METABOLITE_DATA\nMS_METABOLITE_DATA:UNITS\tumol/L\nMS_METABOLITE_DATA_START\n"
        "Samples\tT1\tT2\narginine\t82.5\t>438\nMS_METABOLITE_DATA_END\n#END\n"
    )
    upload = send(site, "assays", text, **PLASMA)
    assert faults(upload) == [
        'row 6, column arginine, T2: ">438" is above the range of the assay; send the diluted '
        "result or empty it."
    ]
    client.force_login(user_with("SD", site))
    page = client.get(f"/uploads/{upload.pk}/").content.decode()
    assert "Of mwTab, mzTab-M and ISA-Tab they are the lines of the file." in page


def test_a_sentence_that_begins_with_a_files_name_keeps_its_letters():
    assert begun("x-1.mztab has no table") == "x-1.mztab has no table"
    assert begun("work: not taken") == "work: not taken"
    assert begun("empty; fill it in") == "Empty; fill it in"
