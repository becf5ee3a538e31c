"""Numbers of a document that beside an earlier release would tell about a few people.

As of rows (`withholding`): the AUC of a site that a few people joined could be subtracted from the
one that was released before, and so could the sums that hold it.
"""

from __future__ import annotations

import pandas as pd
from django.conf import settings

from analysis.models import Run, RunDocument
from analysis.services.document_cells import READ, cells_of
from analysis.services.suppression import Cell
from analysis.services.withholding import CELL, beside, closed, released_before

ALL = "all"
Found = set[tuple[str, str]]  # part, site


def withhold(run: Run) -> None:
    """Mark the numbers of a run's documents that may not be told at its release."""
    for document in RunDocument.objects.filter(run=run, name__in=READ):
        found: Found = set()
        # What is withheld for one release can leave a few beside another: until nothing is added.
        while more := _close(run, document, found):
            found |= more
        if found:
            RunDocument.objects.filter(pk=document.pk).update(withheld=sorted(map(list, found)))


def _close(run: Run, document: RunDocument, found: Found) -> Found:
    now, added = _cells(document, found), set()
    of_the_same = RunDocument.objects.filter(name=document.name)
    for before in of_the_same.filter(run__in=released_before(run)).order_by("-pk").iterator(20):
        earlier = _cells(before, {(part, site) for part, site in before.withheld})
        joined = beside(now, earlier)
        for part in dict.fromkeys(part for part, *_ in joined.index[joined["guarded"]]):
            cells = joined.loc[part]
            few = {cell for cell, told in zip(cells.index, cells["told"], strict=True) if not told}
            withheld: set[Cell] = {(ALL, site) for of, site in found if of == part}
            out = closed(cells, few - withheld, withheld, _sizes(cells))
            added |= {(str(part), site) for _, site in out}
    return added - found


def _sizes(cells: pd.DataFrame) -> dict[Cell, int]:
    people = cells["n_case"] + cells["n_control"]
    return {cell: int(n) for cell, n in zip(cells.index, people, strict=True)}


def _cells(document: RunDocument, withheld: Found) -> pd.DataFrame:
    """People of each number, and whether by itself it may be told."""
    k = settings.DISCLOSURE_K
    rows = [
        (part, ALL, site, *arms, min(arms) >= k and (part, site) not in withheld)
        for part, sites in cells_of(document.name, document.data).items()
        for site, arms in sites.items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "n_case", "n_control", "told"]).set_index(CELL)
