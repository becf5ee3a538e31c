"""Columns of stored batches that lead to another feature; no value is sent again or changed."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from cohorts.errors import RefusedDecision
from cohorts.ingest.assay_tables.assay_features import conversion
from cohorts.ingest.units import UnitMismatch
from cohorts.language.sentences import say
from cohorts.models import (
    AssayBatch,
    BatchFeature,
    Change,
    Feature,
    FeatureAlias,
    Site,
    Study,
    User,
)
from cohorts.services.batches import batch_rules
from cohorts.services.tables.books import feature_facts


def hold_sites(sites: QuerySet[Site]) -> list[Site]:
    """Lock them as an upload does: what its check found stays true until its rows are written."""
    return list(sites.select_for_update(of=("self",)).select_related("study").order_by("pk"))


def columns_of(feature: Feature, sites: Iterable[Site]) -> QuerySet[BatchFeature]:
    """The feature's columns in accepted batches of these sites."""
    columns: QuerySet[BatchFeature] = BatchFeature.objects.filter(
        feature=feature, batch__site__in=sites, batch__status=AssayBatch.Status.ACCEPTED
    )
    return columns.select_related("batch__site", "feature").order_by("batch_id")


def lead_to(feature: Feature, columns: Iterable[BatchFeature]) -> int:
    """Let stored columns be that feature; each gets its own factor to the canonical unit.

    Raises RefusedDecision where a batch has a column of the feature already, and where a column's
    unit does not convert.
    """
    moved = list(columns)
    _refuse_a_second_column(feature, moved)
    for column in moved:
        column.feature = feature
        try:
            column.factor = conversion(column.unit, feature_facts(feature), column.batch.scale)
        except UnitMismatch as mismatch:
            raise RefusedDecision(
                say(
                    "Batch %(batch_id)s of %(site)s, column %(source_name)s: %(message)s",
                    batch_id=column.batch_id,
                    site=column.batch.site.code,
                    source_name=column.source_name,
                    message=mismatch.message,
                )
            ) from mismatch
    BatchFeature.objects.bulk_update(moved, ["feature", "factor"], batch_size=500)
    for batch in {column.batch_id: column.batch for column in moved}.values():
        batch_rules.recheck(batch)
    return len(moved)


def _refuse_a_second_column(feature: Feature, moved: list[BatchFeature]) -> None:
    own = {column.pk for column in moved}
    batches = {column.batch_id for column in moved}
    taken = BatchFeature.objects.filter(feature=feature, batch__in=batches).exclude(pk__in=own)
    first = taken.select_related("batch__site").first()
    if first is not None:
        raise RefusedDecision(
            say(
                "Batch %(batch_id)s of %(site)s has %(feature)s already, in its column "
                "%(source_name)s: have one of the two columns taken out by a corrected "
                "table, or name the other feature.",
                batch_id=first.batch_id,
                site=first.batch.site.code,
                feature=feature.name,
                source_name=first.source_name,
            )
        )


def keep_names(feature: Feature, columns: Iterable[BatchFeature]) -> None:
    """The sites' next tables lead there too: an alias for each name that a site has sent."""
    for site, name in {(column.batch.site, column.source_name) for column in columns}:
        FeatureAlias.objects.update_or_create(site=site, name=name, defaults={"feature": feature})


def record_change(sites: Iterable[Site] | None, *, n_columns: int, cause: str, by: User) -> None:
    """Last of all: a change of these sites, or of every study where the dictionary itself moved."""
    words = f"{cause}, by {by.get_username()}"[:200]
    counts = {"columns": n_columns}
    if sites is None:
        for study in Study.objects.order_by("pk"):
            Change.objects.record(
                study=study, site=None, kind="dictionary", counts=counts, cause=words
            )
        return
    for site in sites:
        Change.objects.record(
            study=site.study, site=site, kind="dictionary", counts=counts, cause=words
        )
