"""A whole mzTab-M file in the records, beside an independent reading of its text."""

import numpy as np
import pytest

from cohorts.models import AssayBatch, Participant, Upload
from tests.cohorts.test_uploads import PLASMA, enrolled, send
from tests.factories import SampleFactory, SiteFactory

pytestmark = pytest.mark.django_db


def split(content):
    """By the specification alone: the raw data file of each assay, and each molecule's line."""
    lines = [line.split("\t") for line in content.decode().splitlines() if line]
    facts = {row[1]: row[2] for row in lines if row[0] == "MTD"}
    runs = [facts[f"assay[{n}]-ms_run_ref"] for n in range(1, 6)]
    names = [facts[f"{run}-location"].rpartition("/")[2].rpartition(".")[0] for run in runs]
    [head] = [row for row in lines if row[0] == "SMH"]
    return names, [dict(zip(head, row, strict=True)) for row in lines if row[0] == "SML"]


def test_every_abundance_of_the_standard_mix_is_stored_as_it_stands_in_the_file(
    reference, real_data
):
    path = real_data / "formats/mztab_m/StandardMix_positive_exportSpeciesLevel.mzTab"
    content = path.read_bytes()
    names, molecules = split(content)
    site = enrolled(SiteFactory(code="FUK"))
    for name in names:
        SampleFactory(participant=Participant.objects.get(code="F001"), code=name)
    upload = send(site, "assays", content, **PLASMA)
    assert upload.status == Upload.Status.ACCEPTED, upload.report["faults"]
    batch = AssayBatch.objects.get()
    columns = list(batch.columns.order_by("position").values_list("source_name", flat=True))
    assert len(columns) == len(molecules) == 117
    for column, molecule in zip(columns, molecules, strict=True):
        assert column.startswith(molecule["chemical_name"])
    rows = {row.label: row for row in batch.rows.all()}
    assert sorted(rows) == sorted(names)
    n_missing = 0
    for number, name in enumerate(names, start=1):
        cells = [molecule[f"abundance_assay[{number}]"] for molecule in molecules]
        expected = [np.nan if cell == "null" else float(cell) for cell in cells]
        np.testing.assert_array_equal(rows[name].values, expected)
        n_missing += cells.count("null")
        assert (rows[name].flags == 2).tolist() == [cell == "null" for cell in cells]
    assert 0 < n_missing < 585
