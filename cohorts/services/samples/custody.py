"""What a laboratory does with a tube: divides, thaws, measures it; each is a custody step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from cohorts import access, history
from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.language.sentences import say
from cohorts.models import CustodyEvent, Sample, Site, User, Withdrawal
from cohorts.retrying import transacted
from cohorts.services.rules import hold_to_its_rules
from cohorts.sprec import LETTERS_OF

# Clocks of freezers and of people differ by that much.
CLOCK_SLACK = timedelta(minutes=10)
Kind = CustodyEvent.Kind


@transacted
def divide(
    parent_id: int,
    *,
    code: str,
    volume_ul: Decimal,
    by: User,
    material: str = "",
    yields_ul: Decimal | None = None,
    at: datetime | None = None,
) -> Sample:
    """Take a volume out of a tube into a new one; the tube keeps the rest.

    An aliquot holds what was taken. A derivative, of another material, may yield another volume.
    """
    parent = held_for(parent_id, by, "C")
    if volume_ul <= 0:
        raise RefusedHandling(
            say(
                "Take more than nothing out of %(parent)s: write a volume in µL.",
                parent=parent.code,
            )
        )
    if parent.volume_ul is None:
        raise RefusedHandling(
            say(
                "The volume of %(parent)s is not recorded: record it, then divide the tube.",
                parent=parent.code,
            )
        )
    if volume_ul > parent.volume_ul:
        raise RefusedHandling(
            say(
                "%(parent)s holds %(volume_ul)s µL; %(asked)s µL cannot be taken out.",
                parent=parent.code,
                volume_ul=parent.volume_ul,
                asked=volume_ul,
            )
        )
    material = material or parent.material
    if yields_ul not in (None, volume_ul) and material == parent.material:
        raise RefusedHandling(
            say(
                "An aliquot holds what was taken, %(volume_ul)s µL; for a derivative name its "
                "material.",
                volume_ul=volume_ul,
            )
        )
    holds = volume_ul if yields_ul is None else yields_ul
    child = _copy(parent, code=code, material=material, volume_ul=holds)
    step(parent, Kind.DIVIDED, by=by, at=at, note=f"{volume_ul} µL to {code}")
    step(child, Kind.MADE, by=by, at=at, note=f"from {parent.code}")
    parent.volume_ul -= volume_ul
    if parent.volume_ul == 0:
        parent.status = Sample.Status.USED_UP
    parent.save(update_fields=["volume_ul", "status"])
    return child


@transacted
def thaw(sample_id: int, *, by: User, at: datetime | None = None) -> Sample:
    """One more freeze-thaw. Of a tube whose earlier thaws nobody recorded the count stays unknown.

    A count that starts at 1 there would read as good handling.
    """
    sample = held_for(sample_id, by, "U")
    step(sample, Kind.THAWED, by=by, at=at)
    if sample.freeze_thaws is not None:
        sample.freeze_thaws += 1
        sample.save(update_fields=["freeze_thaws"])
    return sample


@transacted
def measure(sample_id: int, *, volume_ul: Decimal, reason: str = "", by: User) -> Sample:
    """Record what a tube holds; a volume that stands already is corrected with the reason."""
    sample = held_for(sample_id, by, "U")
    before, reason = sample.volume_ul, reason.strip()
    if before is not None and not reason:
        raise RefusedHandling(
            say(
                "%(sample)s holds %(volume_ul)s µL by the books; say why that is wrong.",
                sample=sample.code,
                volume_ul=before,
            )
        )
    if before == volume_ul:
        raise RefusedHandling(
            say("%(sample)s holds that by the books already.", sample=sample.code)
        )
    sample.volume_ul = volume_ul
    sample.full_clean()
    note = f"{volume_ul} µL"
    if before is not None:
        note = say(
            "%(now)s µL instead of %(before)s µL: %(reason)s",
            now=volume_ul,
            before=before,
            reason=reason,
        )
    step(sample, Kind.MEASURED, by=by, note=note)
    with history.because(reason or "measured", user=by.pk):
        sample.save(update_fields=["volume_ul"])
    return sample


@transacted
def process(sample_id: int, letters: Mapping[str, str], *, reason: str = "", by: User) -> Sample:
    """Record how a tube was spun and is stored, by the letters of `sprec.LETTERS_OF`.

    Wherever it lies: its own site knows that.

    An empty letter leaves what stands; one that stands already is corrected with the reason.
    """
    sample = held(sample_id)
    if not access.may(by, "sample", "U", sample.site_id):
        raise not_handled(sample.site)
    usable(sample)
    told = {name: letters.get(name, "") for name in LETTERS_OF}
    changed = {
        name: letter for name, letter in told.items() if letter not in ("", getattr(sample, name))
    }
    if not changed:
        raise RefusedHandling(
            say("Nothing of this is new by the books of %(sample)s.", sample=sample.code)
        )
    if any(getattr(sample, name) for name in changed) and not reason.strip():
        raise RefusedHandling(
            say(
                "%(sample)s has this on the books already, and otherwise; say why that is wrong.",
                sample=sample.code,
            )
        )
    for name, letter in changed.items():
        setattr(sample, name, letter)
    hold_to_its_rules(sample)
    with history.because(reason.strip() or "recorded", user=by.pk):
        sample.save(update_fields=[*changed])
    return sample


def step(
    sample: Sample, kind: str, *, by: User | None, at: datetime | None = None, note: str = ""
) -> CustodyEvent:
    """Append a custody step; the caller holds the sample's lock. Steps run forward in time."""
    now = timezone.now()
    last = sample.custody.last()
    if at is not None and at > now + CLOCK_SLACK:
        raise RefusedHandling(
            say(
                "%(sample)s: %(at)s is still to come.",
                sample=sample.code,
                at=format(at, "%Y-%m-%d %H:%M"),
            )
        )
    if at is not None and last is not None and at < last.at:
        raise RefusedHandling(
            say(
                "%(sample)s was %(kind)s on %(at)s; a step is recorded in the order in "
                "which it happened.",
                sample=sample.code,
                kind=last.kind,
                at=format(last.at, "%Y-%m-%d %H:%M"),
            )
        )
    number = last.number + 1 if last else 1
    event: CustodyEvent = CustodyEvent.objects.create(
        sample=sample, number=number, kind=kind, at=at or now, by=by, note=note[:200]
    )
    return event


def usable(sample: Sample) -> None:
    """Raises RefusedHandling for a tube that is not there, or whose participant said stop."""
    if sample.status != Sample.Status.STORED:
        words = sample.get_status_display().lower()
        raise RefusedHandling(
            say(
                "%(sample)s is %(words)s; nothing more is done with it.",
                sample=sample.code,
                words=words,
            )
        )
    person = Withdrawal.objects.filter(participant=sample.participant_id)
    if person.effective(timezone.localdate()).stopping_new_data().exists():
        raise RefusedHandling(
            say(
                "%(sample)s: its participant has withdrawn; the tube is neither used nor sent.",
                sample=sample.code,
            )
        )


def held(sample_id: int) -> Sample:
    """The tube, locked: two people with a pipette do not take the same microlitres."""
    found: Sample = (
        Sample.objects.select_for_update(of=("self",))
        .select_related("site", "box", "held_at")
        .get(pk=sample_id)
    )
    return found


def held_for(sample_id: int, by: User, verb: str) -> Sample:
    sample = held(sample_id)
    if not sample.handled_by(by, verb):
        if sample.is_away and access.may(by, "sample", verb, sample.site_id):
            raise handled_elsewhere(sample)
        raise not_handled(sample.lies_at)
    usable(sample)
    return sample


def handled_elsewhere(sample: Sample) -> RefusedHandling:
    return RefusedHandling(
        say(
            "%(sample)s lies at %(site)s, whose laboratory handles it.",
            sample=sample.code,
            site=sample.lies_at.code,
        )
    )


def not_handled(site: Site) -> NotAllowed:
    return NotAllowed(say("Your role at %(site)s does not handle samples.", site=site.code))


def _copy(parent: Sample, *, code: str, material: str, volume_ul: Decimal) -> Sample:
    """A tube of the same blood: what was done before the division holds for it too."""
    child = Sample(
        site=parent.site,
        participant_id=parent.participant_id,
        visit_id=parent.visit_id,
        parent=parent,
        held_at=parent.held_at,
        code=code,
        material=material,
        volume_ul=volume_ul,
        tube=parent.tube,
        collected_at=parent.collected_at,
        spun_at=parent.spun_at,
        frozen_at=parent.frozen_at,
        temperature=parent.temperature,
        centrifugation=parent.centrifugation,
        second_centrifugation=parent.second_centrifugation,
        fasting_hours=parent.fasting_hours,
        haemolysis_index=parent.haemolysis_index,
        light_protected=parent.light_protected,
        freeze_thaws=parent.freeze_thaws,
    )
    child.full_clean()
    child.save()
    return child
