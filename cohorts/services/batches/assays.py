"""Storing checked assay tables: a batch, its columns, and one packed vector a sample."""

from __future__ import annotations

from collections.abc import Mapping

from cohorts.ingest.assay_tables.assay_batches import CheckedBatch
from cohorts.ingest.assay_tables.assay_merge import name_of
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.models import AssayBatch, Sample, Site, Upload
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services.batches import assay_rows, batch_rules, voiding
from cohorts.services.batches.assay_plans import AssayPlan, Revision
from cohorts.services.features import new_names


def store(
    site: Site,
    upload: Upload,
    plan: AssayPlan,
    options: AssayOptions,
    *,
    rows_of: Mapping[str, int] | None = None,
) -> None:
    """Store what a table adds and corrects, inside the upload's transaction.

    ``rows_of`` are the ids of batches, by label, whose rows are stored already (`rows_ahead`).
    """
    for batch in plan.added:
        store_batch(site, upload, batch, options, ahead=(rows_of or {}).get(batch.label))
    for revision in plan.revisions:
        revise(site, upload, revision, options)


def revise(site: Site, upload: Upload, revision: Revision, options: AssayOptions) -> AssayBatch:
    """Store a batch as its table corrects it, and void the version before; both stay."""
    old = revision.batch
    old.status = AssayBatch.Status.VOIDED
    old.void_reason = f"Corrected: {upload.reason or 'rows were added'}"[:300]
    old.save(update_fields=["status", "void_reason"])
    batch_rules.recheck(old)
    return store_batch(site, upload, revision.merged, options, replaces=old)


def store_batch(
    site: Site,
    upload: Upload,
    batch: CheckedBatch,
    options: AssayOptions,
    *,
    replaces: AssayBatch | None = None,
    ahead: int | None = None,
) -> AssayBatch:
    """Store one batch; inside the upload's transaction. New names open features to be reviewed.

    It stands in for a voided batch of the same run, where one waits for that. ``ahead`` is the id
    under which its rows are stored already (`rows_ahead`).
    """
    replaces = replaces or voiding.replaced_by(
        site,
        platform=options.platform,
        matrix=options.matrix,
        label=batch.label,
        samples=[head.sample for head in batch.rows if head.sample],
    )
    stored: AssayBatch = AssayBatch.objects.create(
        pk=ahead,
        site=site,
        upload=upload,
        label=batch.label,
        platform=options.platform,
        matrix=options.matrix,
        scale=options.scale,
        run_date=replaces.run_date if replaces else None,
        embargo_until=replaces.embargo_until if replaces else None,
        replaces=replaces,
        version=replaces.version + 1 if replaces else 1,
    )
    features = new_names.features_of({name_of(column) for column in batch.features})
    assay_rows.copy_columns(
        stored.pk, ((column, features[name_of(column)]) for column in batch.features)
    )
    if ahead is None:
        _copy_rows(site, stored, batch)
    batch_rules.recheck(stored)
    return stored


def _copy_rows(site: Site, stored: AssayBatch, batch: CheckedBatch) -> None:
    samples = dict(Sample.objects.filter(site=site).values_list("code", "pk"))
    assay_rows.copy_in(
        stored.pk,
        (
            (
                head,
                samples[head.sample] if head.sample else None,
                pack_values(values),
                pack_flags(flags),
            )
            for head, values, flags in zip(batch.rows, batch.values, batch.flags, strict=True)
        ),
    )
