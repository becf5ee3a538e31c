"""Every question that a batch raises by itself."""

from __future__ import annotations

from cohorts.models import AcceptanceLimits, AssayBatch, Feature, Study
from cohorts.services.batches import quality, suspicions


def recheck(batch: AssayBatch) -> None:
    """Ask anew, and close what is gone; in the transaction that changed what they rest on."""
    suspicions.recheck(batch)
    quality.recheck(batch)


def recheck_held_to(limits: AcceptanceLimits) -> None:
    """Ask anew of the batches that these limits are of."""
    batches = AssayBatch.objects.accepted().filter(site__study=limits.study)
    if limits.batch_id:
        batches = batches.filter(pk=limits.batch_id)
    else:
        batches = batches.filter(platform__iexact=limits.platform)
    for batch in batches.select_related("site__study"):
        quality.recheck(batch)


def recheck_study(study: Study) -> None:
    """Ask anew of every batch of a study whose own limits were edited."""
    for batch in AssayBatch.objects.accepted().filter(site__study=study).select_related("site"):
        batch.site.study = study
        quality.recheck(batch)


def recheck_ranged(feature: Feature) -> None:
    """Ask anew of the batches that measured a feature whose range was edited."""
    batches = AssayBatch.objects.accepted().filter(columns__feature=feature)
    for batch in batches.select_related("site__study"):
        suspicions.recheck(batch)
