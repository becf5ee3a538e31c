"""Records leave by request: whose rows, to whom, why, agreed by somebody else, for some days.

A site's data manager takes the own site's records with a reason. Records for the consortium are
asked for by its data manager and approved by another person. Consents and withdrawals are read
when the file is made, not when it was agreed to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from cohorts import access
from cohorts.errors import NoSuchSite, NotAllowed, RefusedExport, UnusableRequest
from cohorts.language.sentences import Sentence, say
from cohorts.models import ExportRequest, RecordExport, Site, User, Withdrawal
from cohorts.outgoing.records import OutSite
from cohorts.retrying import transacted
from cohorts.services.exporting import leaving, record_exports
from cohorts.services.exporting.record_exports import FORMATS, Exported

LASTS: Final = timedelta(days=7)  # an approval is for this hand-over, not for the next one


@dataclass(frozen=True)
class Wish:
    """What somebody asks for; ``batches`` empty for all."""

    format: str
    recipient: str
    recipient_country: str
    reason: str
    batches: tuple[int, ...] = ()
    commercial: bool = False


def site_for(user: User, site_code: str) -> Site:
    """The site whose records this user may ask for. Raises NoSuchSite, NotAllowed."""
    site: Site | None = Site.objects.visible_to(user).filter(code=site_code).first()
    if site is None:
        raise NoSuchSite(site_code)
    if not any(access.may(user, "record_export", verb, site.pk) for verb in "XC"):
        raise NotAllowed(say("Your role does not export records; ask the site's data manager."))
    return site


@transacted
def ask(site: Site, wish: Wish, *, by: User) -> ExportRequest:
    """Ask; the own site's data manager need not wait for anybody. Raises UnusableRequest."""
    record_exports.refuse_unusable(wish.format, wish.reason, wish.batches)
    own = access.may(by, "record_export", "X", site.pk)
    asked = ExportRequest(
        site=site,
        format=wish.format,
        batches=list(wish.batches),
        recipient=wish.recipient.strip()[:200],
        recipient_country=wish.recipient_country.strip().upper(),
        commercial=wish.commercial,
        reason=wish.reason.strip()[:300],
        asked_by=by,
        needs_approval=not own,
        expires_at=timezone.now() + LASTS if own else None,
    )
    asked.full_clean(exclude={"asked_at"})
    # What could not be written now is refused now, not after an approval.
    record_exports.refuse_unwritable(asked.format, _records(asked))
    asked.save()
    return asked


@transacted
def decide(request_id: int, *, approve: bool, by: User, note: str = "") -> ExportRequest:
    """Agree to somebody else's request, or refuse it with the reason."""
    asked = ExportRequest.objects.select_for_update(of=("self",)).get(pk=request_id)
    if not access.may(by, "record_export", "A", asked.site_id):
        raise NotAllowed(say("Your role does not approve exports."))
    if by.pk == asked.asked_by_id:
        raise NotAllowed(say("You asked for this export: somebody else decides."))
    if asked.state_at(timezone.now()) != "waiting":
        raise RefusedExport(say("This export waits for nobody's decision."))
    if not approve and not note.strip():
        raise UnusableRequest(say("Say why the export is refused."))
    asked.approved, asked.decided_by, asked.decided_at = approve, by, timezone.now()
    asked.note = "" if approve else note.strip()[:300]
    asked.expires_at = timezone.now() + LASTS if approve else None
    asked.full_clean()
    asked.save()
    return asked


@transacted
def file_of(request_id: int, *, by: User) -> Exported:
    """The file as the records stand now, for the person who asked. Each one is on record."""
    asked = (
        ExportRequest.objects.select_for_update(of=("self",))
        .select_related("site__study")
        .get(pk=request_id)
    )
    site_for(by, asked.site.code)
    if by.pk != asked.asked_by_id:
        raise NotAllowed(say("Only the person who asked for an export takes its file."))
    state = asked.state_at(timezone.now())
    if state != "open":
        raise RefusedExport(_why_closed(asked, state))
    if not asked.needs_approval and not access.may(by, "record_export", "X", asked.site_id):
        raise NotAllowed(say("You are no longer this site's data manager: ask anew."))
    records = _records(asked)
    return record_exports.recorded(
        asked.site, asked.format, records, reason=asked.reason, by=by, request=asked
    )


def to_be_told(asked: ExportRequest) -> int:
    """How many people in its files have withdrawn or were erased since: the recipient is told."""
    files = sorted(asked.files.all(), key=lambda file: file.exported_at)
    if not files:
        return 0
    later = Withdrawal.objects.effective(timezone.localdate()).filter(
        level__gte=2,
        recorded_at__gte=files[0].exported_at,
        participant__in=RecordExport.people.through.objects.filter(recordexport__in=files).values(
            "participant"
        ),
    )
    erased = max(file.n_erased for file in files)
    return later.values("participant").distinct().count() + erased


def scopes_needed(asked: ExportRequest) -> frozenset[str]:
    """What a person must have agreed to, for their rows to be in the file."""
    needed = {"share_abroad"} if asked.recipient_country != asked.site.country else set()
    needed |= {"commercial"} if asked.commercial else set()
    if asked.needs_approval:
        needed |= {"share_consortium"}
        needed |= {"metabolomics"} if FORMATS[asked.format].of_assays else set()
    return frozenset(needed)


def _records(asked: ExportRequest) -> OutSite:
    scopes = scopes_needed(asked)
    records = leaving.records_of(asked.site, scopes=scopes)
    if not records.people:
        raise UnusableRequest(_nobody(asked.site, scopes))
    if not FORMATS[asked.format].of_assays:
        return records
    return leaving.with_batches(records, asked.site, asked.batches, free_only=asked.needs_approval)


def _nobody(site: Site, scopes: Collection[str]) -> Sentence:
    if not scopes:
        return say("%(site)s has nobody whose records may be exported.", site=site.code)
    return say(
        "%(site)s has nobody with the consent %(scopes)s whose records may be exported.",
        site=site.code,
        scopes=", ".join(sorted(scopes)),
    )


def _why_closed(asked: ExportRequest, state: str) -> Sentence:
    if state == "waiting":
        return say("Nobody has approved this export yet; somebody else than you does.")
    if state == "refused":
        return say("This export was refused: %(note)s", note=asked.note)
    return say(
        "This export was open until %(until)s UTC; ask anew.",
        until=f"{asked.expires_at:%Y-%m-%d %H:%M}",
    )
