"""Values are read beside what is known of their samples, and lie in its order."""

import numpy as np
import pytest

from analysis import frames
from analysis.models import Snapshot
from cohorts.models import AssayRow
from tests.factories import assayed_site

pytestmark = pytest.mark.django_db

VALUES = np.arange(12.0).reshape(4, 3)


@pytest.fixture
def snapshot():
    """The rows of a batch in which the last sample was collected first."""
    groups = ["hikikomori", "healthy_control"] * 2
    assayed_site("FUK", VALUES, group=groups, features=["a", "b", "c"])
    rows = list(AssayRow.objects.select_related("sample").order_by("pk"))
    for day, row in enumerate(reversed(rows), start=1):
        type(row.sample).objects.filter(pk=row.sample.pk).update(
            collected_at=f"2026-01-{day:02}T08:00:00Z", spun_at=None
        )
    return Snapshot(assay_row_ids=[row.pk for row in rows])


def test_values_lie_in_the_order_in_which_the_samples_were_collected(snapshot):
    [batch] = frames.batches_of(snapshot)
    np.testing.assert_array_equal(batch.values, VALUES[::-1])


def test_rows_that_go_while_they_are_read_leave_no_hole(snapshot, monkeypatch):
    read = frames._values
    monkeypatch.setattr(frames, "_values", lambda ids: list(read(ids))[1:])
    with pytest.raises(LookupError, match="Of 4 rows 1 were deleted while they were read"):
        frames.batches_of(snapshot)
