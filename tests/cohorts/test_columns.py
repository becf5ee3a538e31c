import pytest

from cohorts.ingest.columns import ASSESSMENTS, SAMPLES, is_personal, match_columns
from cohorts.ingest.report import Findings


def matched(headers, spec=SAMPLES, **options):
    findings = Findings()
    return match_columns(headers, spec, findings, **options), [
        str(fault) for fault in findings.report(spec.kind, 0, {}).faults
    ]


def test_case_spaces_and_underscores_do_not_matter():
    found, faults = matched(["Sample", "PARTICIPANT", "material", "Collected At", "freeze-thaws"])
    assert found["collected_at"] == "Collected At"
    assert found["freeze_thaws"] == "freeze-thaws"
    assert faults == []


def test_a_site_may_use_its_own_names():
    found, faults = matched(
        ["検体番号", "ID", "material"], mapping={"sample": "検体番号", "participant": "ID"}
    )
    assert found == {"sample": "検体番号", "participant": "ID", "material": "material"}
    assert faults == []


def test_a_missing_column_is_named():
    _, faults = matched(["sample", "participant"])
    assert faults == [
        "column material: the table has no such column; add it, or map the name that you use to it."
    ]


def test_a_mapped_column_that_is_not_there_is_named_by_both_names():
    _, faults = matched(["sample", "participant"], mapping={"material": "Matrix"})
    assert faults[0].startswith(
        'column material: the table has no such column (mapped to "Matrix")'
    )


def test_an_unknown_column_is_refused_with_the_nearest_known():
    _, faults = matched(["sample", "participant", "material", "colected_at"])
    assert faults == [
        'column colected_at: not a column of samples tables (did you mean "collected_at"?); '
        "rename it, map it or leave it out."
    ]


def test_unknown_columns_can_be_passed_over_for_whole_cohorts():
    _, faults = matched(["sample", "participant", "material", "bmi"], ignore_unknown=True)
    assert faults == []


def test_two_headers_for_one_column_are_refused():
    _, faults = matched(["sample", "Sample ", "participant", "material"])
    assert faults == ['column Sample : also read from "sample"; keep one.']


def test_items_are_columns_of_assessments_alone():
    headers = ["participant", "instrument", "assessed_on", "item_1", "Item 12"]
    found, faults = matched(headers, ASSESSMENTS)
    assert found["item_12"] == "Item 12"
    assert faults == []
    assert matched(["sample", "participant", "material", "item_1"])[1]


@pytest.mark.parametrize(
    "header",
    [
        *("birth_date", "Date of Birth", "DOB", "birthDate", "name", "Full name", "surname"),
        *(
            "next_of_kin_contact_name",
            "mother_name",
            "patient_name",
            "e-mail",
            "Email",
            "contact email",
            "telephone",
            "phone_number",
        ),
        *("home address", "Address", "post code", "氏名", "生年月日", "住所", "電話番号", "メール"),
        *("メールアドレス", "患者氏名", "携帯電話", "ｅ－ｍａｉｌ"),
    ],
)
def test_personal_columns_refuse_the_table(header):
    _, faults = matched(["sample", "participant", "material", header], ignore_unknown=True)
    assert faults == [
        f"column {header}: personal data are not taken; "
        "remove this column and send study codes alone."
    ]


@pytest.mark.parametrize(
    "header",
    [
        "birth_year",
        "sample",
        "sample_name",
        "feature name",
        "email-like score"[6:],
        "C18:1",
        "名称",
    ],
)
def test_ordinary_columns_are_not_personal(header):
    assert not is_personal(header)
