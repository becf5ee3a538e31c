"""Numbers of a document that beside an earlier release would tell about a few people.

As of rows (`withholding`): the AUC of a site that a few people joined could be subtracted from the
one that was released before, and so could the sums that hold it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from django.conf import settings

from analysis.models import Run, RunDocument
from analysis.services.disclosure import between_releases
from analysis.services.disclosure.between_releases import Comparison
from analysis.services.disclosure.cells import AXES, Cells, Rows
from analysis.services.disclosure.document_cells import READ, cells_of
from analysis.services.disclosure.rules import ARMS
from analysis.services.disclosure.suppression import EVERYBODY
from analysis.services.disclosure.withholding import released_before


def withhold(run: Run) -> None:
    """Mark the numbers of a run's documents that may not be told at its release."""
    k = settings.DISCLOSURE_K
    for document in RunDocument.objects.filter(run=run, name__in=READ):
        now = _cells(document, ())
        comparisons = _comparisons(run, document, now)
        # Each part's sites are given up by its own people, the fewest first.
        found = between_releases.withheld(now, comparisons, now.there & ~now.told, k, {})
        if found.any():
            parts, _, sites = now.axes
            pairs = sorted([parts[part], sites[site]] for part, _, site in np.argwhere(found))
            RunDocument.objects.filter(pk=document.pk).update(withheld=pairs)


def _comparisons(run: Run, document: RunDocument, now: Cells) -> list[Comparison]:
    """The earlier releases beside which a number must be guarded, the newest first.

    Read once, under the lock of the order.
    """
    of_the_same = RunDocument.objects.filter(name=document.name)
    earlier = of_the_same.filter(run__in=released_before(run)).order_by("-pk").iterator(20)
    listed = (
        Comparison.of(now, _cells(before, before.withheld), settings.DISCLOSURE_K)
        for before in earlier
    )
    return [each for each in listed if each.guarded.any()]


def _cells(document: RunDocument, withheld: Iterable[list[str]]) -> Cells:
    """People of each number, and whether by itself it may be told."""
    rows = [
        (part, EVERYBODY, site, *arms, 0.0)
        for part, sites in cells_of(document.name, document.data).items()
        for site, arms in sites.items()
    ]
    frame = pd.DataFrame(rows, columns=[*AXES, *ARMS, "estimate"])
    out = {(part, site) for part, site in withheld}
    untold = np.array([(row[0], row[2]) in out for row in rows], dtype=bool)
    return Cells.of([Rows.of(frame)], [untold], settings.DISCLOSURE_K)
