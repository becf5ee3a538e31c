"""Pooled QC samples of assay batches as arrays, for plans that correct by them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from cohorts.models import AssayRow


@dataclass(frozen=True)
class Pools:
    """``values`` and ``flags`` of shape (n_pools, n_features), in a batch's own features and units.

    ``injection_order`` (n_pools,) is NaN where none is recorded.
    """

    values: NDArray[np.float64]
    flags: NDArray[np.uint8]
    injection_order: NDArray[np.float64]

    def of_features(self, kept: NDArray[np.bool_]) -> Pools:
        """The same pools without the features that are not ``kept``."""
        return Pools(self.values[:, kept], self.flags[:, kept], self.injection_order)


def rows_of(batches: Collection[int]) -> QuerySet[AssayRow]:
    """The pools of these batches in a fixed order."""
    found = AssayRow.objects.filter(batch__in=batches, sample_type=AssayRow.Type.QC)
    return found.order_by("batch_id", "pk")


def read(batches: Collection[int]) -> dict[int, Pools]:
    """The pools of each batch that has any."""
    found = rows_of(batches).values_list(
        "batch_id", "packed_values", "packed_flags", "injection_order"
    )
    pools = {}
    for batch, group in groupby(found, itemgetter(0)):
        _, values, flags, order = zip(*group, strict=True)
        pools[batch] = Pools(
            np.array([np.frombuffer(each, "<f8") for each in values]),
            np.array([np.frombuffer(each, np.uint8) for each in flags]),
            np.array(order, dtype=np.float64),
        )
    return pools
