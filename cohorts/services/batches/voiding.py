"""Voiding a batch: one person asks with a reason, another decides; nothing is deleted."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone

from cohorts import access
from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.language.sentences import say
from cohorts.models import AssayBatch, AssayRow, BatchVoid, Change, Site, User
from cohorts.retrying import transacted
from cohorts.services.batches import batch_rules


@transacted
def ask(batch_id: int, *, reason: str, by: User) -> BatchVoid:
    """Ask that a batch be voided; it stays in use until somebody else agrees."""
    batch = _held(batch_id)
    if not access.may(by, "assay_correction", "C", batch.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not correct assays.", site=batch.site.code)
        )
    asked = BatchVoid(batch=batch, reason=reason.strip()[:300], asked_by=by)
    asked.full_clean(exclude={"asked_at", "decided_by", "decided_at"})
    asked.save()
    return asked


@transacted
def decide(batch_id: int, *, approve: bool, by: User) -> AssayBatch:
    """Agree, and no run reads the batch from now on; or refuse, and it stays in use."""
    batch = _held(batch_id)
    if not access.may(by, "assay_correction", "A", batch.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not decide on voiding.", site=batch.site.code)
        )
    asked = BatchVoid.objects.open().filter(batch=batch).first()
    if asked is None:
        raise RefusedHandling(
            say("Nobody has asked that batch %(batch)s be voided.", batch=batch.pk)
        )
    if by.pk in (asked.asked_by_id, batch.upload.sent_by_id):
        raise NotAllowed(
            say("You sent this batch or asked for it to be voided: somebody else decides.")
        )
    asked.approved, asked.decided_by, asked.decided_at = approve, by, timezone.now()
    asked.save(update_fields=["approved", "decided_by", "decided_at"])
    if approve:
        _void(batch, asked)
    return batch


def _void(batch: AssayBatch, asked: BatchVoid) -> None:
    batch.status, batch.void_reason = AssayBatch.Status.VOIDED, asked.reason
    batch.save(update_fields=["status", "void_reason"])
    batch_rules.recheck(batch)
    Change.objects.record(
        study=batch.site.study,
        site=batch.site,
        kind="assays",
        counts={"batches": 1},
        cause=say(
            "batch %(batch)s (%(platform)s) is voided: %(reason)s",
            batch=batch.pk,
            platform=batch.platform,
            reason=asked.reason,
        )[:200],
    )


def replaced_by(
    site: Site, *, platform: str, matrix: str, label: str, samples: Collection[str]
) -> AssayBatch | None:
    """The voided batch that a newly sent one stands in for: same run, some of the same samples."""
    waiting = AssayBatch.objects.filter(
        site=site,
        platform=platform,
        matrix=matrix,
        label=label,
        status=AssayBatch.Status.VOIDED,
        replaced_by=None,
        voids__approved=True,
    )
    if not waiting.exists():  # nearly always: the samples need not be looked up
        return None
    rows = AssayRow.objects.filter(sample__site=site, sample__code__in=samples)
    found: AssayBatch | None = waiting.filter(pk__in=rows.values("batch")).order_by("-pk").first()
    return found


def _held(batch_id: int) -> AssayBatch:
    # The site first, as an upload does: a corrected table cannot replace the batch meanwhile.
    site_id = AssayBatch.objects.values_list("site_id", flat=True).get(pk=batch_id)
    Site.objects.select_for_update(no_key=True).get(pk=site_id)
    batch: AssayBatch = (
        AssayBatch.objects.select_for_update(of=("self",))
        .select_related("site__study", "upload")
        .get(pk=batch_id)
    )
    if batch.status == AssayBatch.Status.VOIDED:
        raise RefusedHandling(
            say(
                "Batch %(batch)s is voided already: %(void_reason)s",
                batch=batch.pk,
                void_reason=batch.void_reason,
            )
        )
    return batch
