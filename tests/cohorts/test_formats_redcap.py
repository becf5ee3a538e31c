import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.ingest.formats import redcap
from cohorts.ingest.reading import UnreadableFile
from tests.cohorts.ingest_books import faults, warnings
from tests.cohorts.one_line import one_line_changed, refusal_of

HEADER = (
    '"Variable / Field Name","Form Name","Section Header","Field Type","Field Label",'
    '"Choices, Calculations, OR Slider Labels","Field Note",'
    '"Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max",'
    'Identifier?,"Branching Logic (Show field only if...)","Required Field?"\n'
)
DICTIONARY = HEADER + (
    'record_id,people,,text,"Study ID",,,,,,,,\n'
    'nick,people,,text,"What friends say",,,,,,y,,\n'
    'email,people,,text,"E-mail",,,email,,,,,\n'
    'sex,people,,radio,Sex,"0, Female | 1, Male",,,,,,,y\n'
    'pregnant,people,,yesno,Pregnant?,,,,,,,"[sex] = ""0""",\n'
    'drugs,people,,checkbox,Drugs,"1, SSRI | -9, Unknown",,,,,,,\n'
    'hq_total,scales,,text,"HQ-25 total",,,integer,0,100,,,\n'
    'weight,scales,,text,"Weight, kg",,,number_comma_decimal,35,200,,,\n'
    "seen_on,scales,,text,Seen,,,date_ymd,,,,,\n"
    "remark,scales,,notes,Remark,,,,,,,,\n"
    'kin,scales,,text,"Closest relative",,,,,,,,\n'
    'bmi,scales,,calc,BMI,"round([weight]/4,1)",,,,,,,\n'
)
DATA = (
    "record_id,redcap_event_name,nick,email,sex,pregnant,drugs___1,drugs____9,people_complete,"
    "hq_total,weight,seen_on,remark,kin,bmi\n"
    'P1,start_arm_1,Ken,a@b.org,1,,1,0,2,71,"52,5",2024-04-01,"came\nalone",his aunt,22.1\n'
    "P1,later_arm_1,,,,,0,0,0,60,,2024-10-01,,,\n"
    'P2,start_arm_2,Aya,c@d.org,0,1,0,1,2,12,"48,0",2024-04-02,,,19.5\n'
)
EVENTS = "event_name,arm_num,unique_event_name\nStart,1,start_arm_1\nLater,1,later_arm_1\n"


def read(dictionary=DICTIONARY, data=DATA, **more):
    more = {name: text.encode() for name, text in more.items()}
    return redcap.read(dictionary.encode(), data.encode(), **more)


def changed(old, new):
    assert old in DATA
    return read(data=DATA.replace(old, new, 1))


def test_what_names_a_person_is_stripped_and_named():
    export = read()
    assert export.report.ok, export.report.faults
    assert export.stripped == ("nick",)
    assert export.unmarked == ("email",)
    assert export.left_out == ("remark", "kin")
    said = "\n".join(warnings(export.report))
    assert "nick: marked as identifiers, so not read." in said
    everything = export.records.frame.to_csv()
    assert not [text for text in ("Ken", "a@b.org", "alone", "aunt") if text in everything]


def test_an_open_line_of_text_with_numbers_alone_is_kept():
    export = changed("his aunt", "31")
    assert export.records.frame["kin"].tolist() == ["31", "", ""]


def test_rows_keep_visit_arm_and_their_number_in_the_file():
    frame = read().records.frame
    assert frame[["participant", "visit", "arm"]].to_numpy().tolist() == [
        ["P1", "start", "1"],
        ["P1", "later", "1"],
        ["P2", "start", "2"],
    ]
    assert frame.index.tolist() == [2, 3, 4]


def test_each_participant_has_one_row_of_what_does_not_change():
    frame = read().participants().frame
    assert frame["participant"].tolist() == ["P1", "P2"]
    assert frame["sex"].tolist() == ["1", "0"]
    # Two scores of one person are no property of that person.
    assert "hq_total" not in frame


def test_a_form_has_the_rows_in_which_it_was_filled():
    frame = read().form("scales").frame
    assert frame["hq_total"].tolist() == ["71", "60", "12"]
    assert read().form("people").frame["participant"].tolist() == ["P1", "P2"]


def test_a_column_of_decimal_commas_is_read_with_points():
    assert read().records.frame["weight"].tolist() == ["52.5", "", "48.0"]


def test_commas_beside_points_are_refused():
    assert faults(changed('"48,0"', "48.5").report) == [
        'row 4, column weight: "48.5": the column has both commas and points, or a comma that may '
        "set off thousands; write every number with a decimal point."
    ]


def test_the_dictionary_keeps_types_branching_and_validation():
    variables = read().dictionary
    weight, pregnant = variables.find("weight"), variables.find("pregnant")
    assert (weight.kind, weight.validation) == ("text", "number_comma_decimal")
    assert (weight.minimum, weight.maximum) == ("35", "200")
    assert pregnant.branching == '[sex] = "0"'
    assert pregnant.choices == (("0", "No"), ("1", "Yes"))
    assert variables.find("sex").required
    assert variables.find("bmi").calculation == "round([weight]/4,1)"
    assert variables.record_id.name == "record_id"


def test_words_in_place_of_codes_are_read_as_codes():
    export = read(data=DATA.replace("b.org,1,", "b.org,Male,").replace("d.org,0,", "d.org,Female,"))
    assert export.records.frame["sex"].tolist() == ["1", "", "0"]
    assert any("words where the dictionary has codes" in text for text in warnings(export.report))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("b.org,1,", "b.org,7,", 'row 2, column sex: "7" is not one of its codes (0, 1)'),
        ("2,71", "2,71x", 'row 2, column hq_total: "71x" is not a number'),
        ("2024-04-02", "2/4/2024", 'row 4, column seen_on: "2/4/2024" is not a date'),
        ("0,1,2,12", "0,x,2,12", 'row 4, column drugs____9: "x" is no checkbox'),
        ("later_arm_1", "start_arm_1", "row 3: the same record, event and instance as row 2"),
        ("P2", "A. Sato", "row 4, column record_id: not a code"),
    ],
)
def test_a_cell_against_its_rule_is_a_fault_with_row_and_column(old, new, message):
    assert any(text.startswith(message) for text in faults(changed(old, new).report))


def test_a_number_outside_its_validation_is_a_warning():
    said = warnings(changed("2,71", "2,171").report)
    assert any('row 2, column hq_total: "171" is outside 0 to 100' in text for text in said)


def test_an_event_that_the_project_does_not_have_is_a_fault():
    report = read(events=EVENTS).report
    assert faults(report) == [
        'row 4, column redcap_event_name: "start_arm_2" is no event of the project; '
        "export the events anew."
    ]
    assert "the project has no arm 2" in faults(read(arms="arm_num,name\n1,Drug A\n").report)[0]


@pytest.mark.parametrize(
    ("dictionary", "data", "message"),
    [
        (DICTIONARY, DATA.replace("hq_total", "hq"), 'row 1: the dictionary does not have "hq"'),
        (DICTIONARY, DATA.replace("record_id", "id"), "row 1: no column record_id"),
        (
            DICTIONARY.replace("Field Type", "Type"),
            DATA,
            'dictionary: row 1: no column "field type"',
        ),
        (DICTIONARY.replace(",radio,", ",wheel,"), DATA, 'row 5: "wheel" is no field type'),
        (DICTIONARY.replace("0, Female | ", "Female | "), DATA, 'row 5: "Female" is no choice'),
        (DICTIONARY.replace("nick,", "sex,"), DATA, "row 5: sex is also in row 3"),
        (
            DICTIONARY.replace('"Study ID",,,,,,', '"Study ID",,,,,,y'),
            DATA,
            "row 2: record_id is the code of the record and marked as an identifier",
        ),
    ],
)
def test_a_dictionary_that_does_not_fit_is_refused(dictionary, data, message):
    with pytest.raises(UnreadableFile, match=message):
        read(dictionary, data)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.tuples(one_line_changed(DICTIONARY), st.just(DATA)),
        st.tuples(st.just(DICTIONARY), one_line_changed(DATA)),
    )
)
def test_one_changed_line_is_read_or_named(project):
    message = refusal_of(read, *project)
    assert not message or re.search(r"row \d+|column \d+|line \d+|unclosed|named|empty", message)


def project_of(real_data, name):
    folder = real_data / "formats/redcap" / name
    more = {
        what: (folder / file).read_bytes()
        for what, file in (("events", "event.csv"), ("arms", "arm.csv"))
        if (folder / file).exists()
    }
    return redcap.read(
        (folder / "dictionary.csv").read_bytes(), (folder / "data.csv").read_bytes(), **more
    )


@pytest.mark.parametrize(
    ("name", "n_variables", "n_rows", "n_people"),
    [
        ("simple", 16, 5, 5),
        ("decimal-comma", 5, 4, 4),
        ("survey", 25, 2, 2),
        ("validation-types-1", 50, 1, 1),
        ("longitudinal", 95, 18, 3),
    ],
)
def test_real_projects_are_read(real_data, name, n_variables, n_rows, n_people):
    export = project_of(real_data, name)
    assert export.report.ok, export.report.faults
    assert len(export.dictionary.variables) == n_variables
    assert export.report.summary == {"rows": n_rows, "participants": n_people}
    assert export.participants().n_rows == n_people


def test_identifiers_of_the_simple_project_are_gone(real_data):
    export = project_of(real_data, "simple")
    assert export.stripped == ("name_first", "name_last", "address", "telephone", "email", "dob")
    shown = export.records.frame.to_csv()
    assert not [text for text in ("Nutmeg", "Rose Cottage", "321-1111", "@") if text in shown]
    assert export.records.frame["race___5"].tolist() == ["1", "1", "1", "1", "0"]
    assert export.records.frame["age"].tolist() == ["11", "11", "80", "61", "59"]


def test_a_birth_date_that_nobody_marked_is_gone_as_well(real_data):
    export = project_of(real_data, "survey")
    assert "dob" in export.unmarked
    assert "2018-03-05" not in export.records.frame.to_csv()


def test_decimal_commas_of_a_real_project_become_points(real_data):
    frame = project_of(real_data, "decimal-comma").records.frame
    assert frame["height"].tolist() == ["1.54", "1.84", "1.95", "1.61"]
    assert frame["bmi"].tolist() == ["22.1", "27.3", "32.5", "17.7"]


def test_the_longitudinal_project_has_its_arms_and_visits(real_data):
    export = project_of(real_data, "longitudinal")
    arms = export.records.frame.groupby("participant")["arm"].unique()
    assert {person: list(arm) for person, arm in arms.items()} == {
        "100": ["1"],
        "220": ["1"],
        "304": ["2"],
    }
    frame = export.form("baseline_data").frame
    assert set(frame["visit"]) == {"enrollment"}
