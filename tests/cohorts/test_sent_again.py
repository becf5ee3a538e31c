"""Values that are on the books, sent again: page, program and command answer alike."""

import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from rest_framework.test import APIClient

from cohorts.models import AssayBatch, AssayRow, Change, Upload
from tests.cohorts.test_two_steps import checked, counts
from tests.cohorts.test_uploads import ASSAYS, PLASMA, enrolled, faults, send
from tests.factories import SiteFactory, user_with

pytestmark = pytest.mark.django_db

SAME = ASSAYS.replace("82.5", "82.50").replace("77.125", "7.7125e1")
FIRST, SECOND = ASSAYS.splitlines()[0], ASSAYS.splitlines()[2]
A_CORRECTION = (
    "a correction needs a reason and a second person: send the table to be checked, then have it "
    'accepted. Of another measurement, name the run in the column "batch".'
)


@pytest.fixture
def site(reference):
    site = enrolled(SiteFactory(code="FUK"))
    send(site, "assays", ASSAYS, **PLASMA)
    return site


def by_program(site, text):
    client = APIClient()
    client.force_authenticate(user_with("SD", site))
    sheet = SimpleUploadedFile("t.csv", text.encode())
    asked = {"site": site.code, "kind": "assays", "file": sheet, **PLASMA}
    answer = client.post("/api/v1/uploads", asked, format="multipart").json()
    return Upload.objects.get(pk=answer.get("upload") or answer["id"])


def typed(text, tmp_path, *more):
    """What the command says; a refusal ends it."""
    path, said = tmp_path / "t.csv", io.StringIO()
    path.write_text(text)
    options = [f"--{name}={value}" for name, value in PLASMA.items()]
    call_command("import_table", "assays", path, "--site=FUK", *options, *more, stdout=said)
    return said.getvalue()


def stored():
    return AssayBatch.objects.count(), AssayRow.objects.count(), Change.objects.count()


def test_the_same_values_in_another_file_are_unchanged_at_every_door(site, tmp_path):
    before = stored()
    preview = checked(site, "assays", SAME, **PLASMA)
    assert counts(preview) == (0, 0, 2)
    answered = by_program(site, SAME + "\n")
    assert (answered.status, counts(answered)) == (Upload.Status.ACCEPTED, (0, 0, 2))
    assert "0 new, 2 unchanged" in typed(SAME.replace("\n", "\r\n"), tmp_path)
    assert stored() == before


def test_the_same_file_twice_is_one_upload_at_every_door(site, tmp_path, capsys):
    [first] = Upload.objects.filter(kind="assays")
    assert by_program(site, ASSAYS) == first
    told = json.loads(typed(ASSAYS, tmp_path, "--json"))
    assert (told["upload"], told["preview"]["new"]) == (str(first.pk), 2)
    assert "This very file was accepted before" in capsys.readouterr().err
    assert checked(site, "assays", ASSAYS, **PLASMA) == first


def test_a_changed_value_is_a_correction_at_every_door(site, tmp_path, capsys):
    before, other = stored(), ASSAYS.replace("82.5", "82").replace("60,", ",")
    assert counts(checked(site, "assays", other, **PLASMA)) == (0, 2, 0)
    told = [
        f'row 2, column arginine: T1 has "82.5" on the books, and here "82"; {A_CORRECTION}',
        f'row 3, column ornithine: T2 has "60" on the books, and here no value; {A_CORRECTION}',
    ]
    assert faults(by_program(site, other + "\n")) == told
    for step in ([], ["--dry-run"]):
        with pytest.raises(SystemExit):
            typed(other, tmp_path, *step)
        assert capsys.readouterr().err.splitlines()[:2] == told
    assert stored() == before


def test_samples_that_are_new_join_the_batch_that_is_there(site):
    AssayBatch.objects.all().delete()
    send(site, "assays", f"{FIRST}\n{SECOND}\n", **PLASMA)
    assert counts(by_program(site, SAME)) == (1, 0, 1)
    batch = AssayBatch.objects.accepted().get()
    assert (batch.version, batch.rows.count()) == (2, 2)
    assert batch.replaces.void_reason == "Corrected: rows were added"
    assert Change.objects.latest("pk").kind == "assays"


def test_another_measurement_says_so_by_its_run(site):
    head, *rows = ASSAYS.splitlines()
    again = "\n".join([f"{head},batch", *(f"{row},day 2" for row in rows)])
    assert by_program(site, again).status == Upload.Status.ACCEPTED
    assert sorted(AssayBatch.objects.accepted().values_list("label", flat=True)) == ["", "day 2"]


def test_another_panel_of_the_same_samples_is_another_batch(site):
    panel = "sample,proline [umol/L]\nT1,180\n"
    assert counts(by_program(site, panel)) == (1, 0, 0)
    assert counts(checked(site, "assays", SAME, **PLASMA)) == (0, 0, 2)
    assert AssayBatch.objects.accepted().count() == 2


SLIP = (
    'FUK has not measured with "LC-M" before (did you mean "LC-MS"?), only with LC-MS; '
    "accept it if that is new, else correct the platform."
)


def test_a_platform_that_the_site_never_used_is_told_at_every_door(site, tmp_path):
    slip = PLASMA | {"platform": "LC-M"}
    assert SLIP in typed(ASSAYS + "\n", tmp_path, "--platform=LC-M", "--dry-run")
    seen = checked(site, "assays", ASSAYS + "\n\n", **slip)
    assert SLIP in [each["text"] for each in seen.report["warnings"]]
    client = APIClient()
    client.force_authenticate(user_with("SD", site))
    sheet = SimpleUploadedFile("t.csv", ASSAYS.replace("82.5", "83").encode())
    asked = {"site": site.code, "kind": "assays", "file": sheet, **slip}
    told = client.post("/api/v1/uploads", asked, format="multipart").json()
    assert (told["status"], AssayBatch.objects.count()) == ("accepted", 2)
    assert SLIP in [each["text"] for each in told["report"]["warnings"]]
    again = checked(site, "assays", ASSAYS.replace("82.5", "84"), **slip)
    assert SLIP not in [each["text"] for each in again.report["warnings"]]
