"""Recording consent, and its withdrawal."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from cohorts import clock
from cohorts.errors import AlreadyWithdrawn, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import Change, Consent, ConsentForm, Participant, User, Withdrawal
from cohorts.models.consent import WithdrawalQuerySet
from cohorts.retrying import transacted
from cohorts.services.identity import refuse_merged
from cohorts.services.samples import destruction

STORE = "store_samples"


@transacted
def record_consent(
    participant_id: int,
    *,
    form: ConsentForm | None,
    basis: str,
    signed_on: date,
    scopes: Collection[str],
    by: User | None,
) -> Consent:
    """Record what a participant signed; it replaces what was granted before.

    Signed since a withdrawal, it takes that back.
    """
    participant = Participant.objects.locked(participant_id)
    refuse_merged(participant)
    consent = Consent(
        participant=participant,
        form=form,
        basis=basis,
        signed_on=signed_on,
        scopes=sorted(scopes),
        recorded_by=by,
    )
    hold_to_its_form(consent)
    consent.full_clean()
    consent.save()
    if STORE in scopes and not use_is_stopped(participant):
        destruction.release(participant, by=by)
    _note_change(participant, "consent", "consent recorded")
    return consent


def in_force(participant: Participant) -> Withdrawal | None:
    """The highest of the withdrawals that stand today."""
    highest: Withdrawal | None = _standing(participant).order_by("-level", "-pk").first()
    return highest


def use_is_stopped(participant: Participant) -> bool:
    """Whether a withdrawal keeps the participant's data and tubes out of use today."""
    return _standing(participant).stopping_use().exists()


def _standing(participant: Participant) -> WithdrawalQuerySet:
    return Withdrawal.objects.filter(participant=participant).effective(clock.today())


@transacted
def withdraw(
    participant_id: int,
    *,
    level: int,
    by: User | None,
    note: str = "",
    destroy_samples: bool = False,
) -> Withdrawal:
    """Record a withdrawal, in force at once.

    From level 3 on the tubes are blocked, or their destruction is ordered where that is asked;
    it may also be asked for later, of the same level.
    From level 3 on no run that starts or publishes later reads this participant. Level 4 stops
    every use at once; the removal itself needs a second person's approval.
    """
    participant = Participant.objects.locked(participant_id)
    refuse_merged(participant)
    standing = _standing(participant)
    highest = standing.highest_level()
    if level == highest and destroy_samples and _destroy_later(participant, by):
        return standing.filter(level=level).latest("pk")
    if level <= highest:
        words = Withdrawal.Level(highest).label
        raise AlreadyWithdrawn(
            say(
                "%(participant)s has withdrawn already (%(words)s); a level can be "
                "raised, and lowering it is a new consent.",
                participant=participant.code,
                words=words,
            )
        )
    withdrawal = Withdrawal(
        participant=participant,
        level=level,
        effective_on=clock.today(),
        recorded_by=by,
        note=note,
    )
    withdrawal.full_clean()
    withdrawal.save()
    _stop_samples(withdrawal, destroy=destroy_samples)
    _note_change(participant, "withdrawal", str(withdrawal.get_level_display()))
    return withdrawal


def _destroy_later(participant: Participant, by: User | None) -> int:
    """Who has stopped further use may ask afterwards that the tubes be destroyed too."""
    if not use_is_stopped(participant):
        return 0
    return destruction.order_destruction(participant, destruction.WITHDRAWAL, by=by)


def hold_to_its_form(consent: Consent) -> None:
    """Raises UnusableRequest where that form was not there to be signed so, on that day."""
    form, signed = consent.form, consent.signed_on
    if signed > clock.today_at(consent.participant.site):
        raise UnusableRequest(
            say("%(signed)s is still to come: check the day.", signed=format(signed, "%Y-%m-%d"))
        )
    if form is None:
        return
    if form.site_id != consent.participant.site_id:
        raise UnusableRequest(say("This form is another site's; name the one that was signed."))
    if not (form.valid_from or signed) <= signed <= (form.valid_until or signed):
        window = " to ".join(
            f"{day:%Y-%m-%d}" for day in (form.valid_from, form.valid_until) if day
        )
        raise UnusableRequest(
            say(
                "Form %(version)s is valid %(window)s; it was not signed on "
                "%(signed)s: check the day, or name the form that was signed.",
                version=form.version,
                window=window,
                signed=format(signed, "%Y-%m-%d"),
            )
        )
    beyond = sorted(set(consent.scopes) - set(form.offered_scopes))
    # A form that a table opened, without its document, offers what nobody has checked.
    if beyond and form.document_sha256:
        raise UnusableRequest(
            say(
                "Form %(version)s does not offer %(beyond)s; tick what was signed.",
                version=form.version,
                beyond=", ".join(beyond),
            )
        )


def _stop_samples(withdrawal: Withdrawal, *, destroy: bool) -> None:
    stops_use = withdrawal.level >= Withdrawal.Level.NO_FURTHER_USE
    if destroy and not stops_use:
        raise UnusableRequest(say("Tubes are destroyed from level 3 (no further use) on."))
    if destroy:
        destruction.order_destruction(
            withdrawal.participant, destruction.WITHDRAWAL, by=withdrawal.recorded_by
        )
    elif stops_use:
        destruction.block(withdrawal.participant, destruction.WITHDRAWAL, by=withdrawal.recorded_by)


def _note_change(participant: Participant, kind: str, cause: str) -> None:
    site = participant.site
    Change.objects.record(study=site.study, site=site, kind=kind, counts={kind: 1}, cause=cause)
