"""Numbers of a document that beside an earlier release would tell about a few people.

As of rows (`withholding`): the AUC of a site that a few people joined could be subtracted from the
one that was released before, and so could the sums that hold it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from django.conf import settings

from analysis.models import Run, RunDocument
from analysis.services.disclosure.document_cells import READ, cells_of
from analysis.services.disclosure.suppression import Cell
from analysis.services.disclosure.withholding import CELL, Key, beside, closed, released_before

ALL = "all"


def withhold(run: Run) -> None:
    """Mark the numbers of a run's documents that may not be told at its release."""
    for document in RunDocument.objects.filter(run=run, name__in=READ):
        comparisons, found = _comparisons(run, document), set[Key]()
        # What is withheld for one release can leave a few beside another: until nothing is added.
        while more := _close(comparisons, found):
            found |= more
        if found:
            pairs = sorted([part, site] for part, _, site in found)
            RunDocument.objects.filter(pk=document.pk).update(withheld=pairs)


def _comparisons(run: Run, document: RunDocument) -> list[pd.DataFrame]:
    """Beside each earlier release the parts in which a number must be guarded, the newest first.

    Read once, under the lock of the order: what is withheld later only lessens what is guarded.
    """
    now, listed = _cells(document, ()), []
    of_the_same = RunDocument.objects.filter(name=document.name)
    for before in of_the_same.filter(run__in=released_before(run)).order_by("-pk").iterator(20):
        joined = beside(now, _cells(before, before.withheld))
        parts = joined.index[joined["guarded"]].unique("feature")
        if len(parts):
            listed.append(joined.loc[parts])
    return listed


def _close(comparisons: list[pd.DataFrame], found: set[Key]) -> set[Key]:
    """Numbers to be withheld beside those that were found before."""
    added: set[Key] = set()
    for joined in comparisons:
        still = joined["guarded"] & ~joined.index.isin(found)
        for part in joined.index[still].unique("feature"):
            cells = joined.loc[part].assign(guarded=still.loc[part])
            few = {cell for cell, told in zip(cells.index, cells["told"], strict=True) if not told}
            withheld: set[Cell] = {key[1:] for key in found if key[0] == part}
            out = closed(cells, few, withheld, _sizes(cells))
            added |= {(str(part), *cell) for cell in out}
    return added - found


def _sizes(cells: pd.DataFrame) -> dict[Cell, int]:
    people = cells["n_case"] + cells["n_control"]
    return {cell: int(n) for cell, n in zip(cells.index, people, strict=True)}


def _cells(document: RunDocument, withheld: Iterable[list[str]]) -> pd.DataFrame:
    """People of each number, and whether by itself it may be told."""
    k, out = settings.DISCLOSURE_K, {(part, site) for part, site in withheld}
    rows = [
        (part, ALL, site, *arms, min(arms) >= k and (part, site) not in out)
        for part, sites in cells_of(document.name, document.data).items()
        for site, arms in sites.items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "n_case", "n_control", "told"]).set_index(CELL)
