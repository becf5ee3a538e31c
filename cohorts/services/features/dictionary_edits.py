"""The dictionary is edited by two: one proposes, another sees the difference and approves.

What is proposed is checked at once, so that nobody waits for what the rules forbid, and again
under a lock when it is approved, since the entry may have moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from cohorts import access
from cohorts.errors import ChangedMeanwhile, NotAllowed, RefusedDecision, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import (
    AcceptanceLimits,
    Change,
    DictionaryEdit,
    Feature,
    ReferenceRange,
    Site,
    Study,
    User,
)
from cohorts.models.dictionary_edit import SUBJECTS
from cohorts.retrying import transacted
from cohorts.services.batches import batch_rules
from cohorts.services.features import dictionary
from cohorts.services.features.feature_columns import columns_of, hold_sites, lead_to

Kind = DictionaryEdit.Kind
_ASSAY: Final = ("rsd_percent", "blank_percent", "missing_percent", "failing_percent")
# What is edited so; what leads stored columns elsewhere is a verb (`propose_verb`).
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "feature": (
        *("name", "refmet_name", "hmdb", "chebi", "inchikey", "molar_mass", "canonical_unit"),
        *("chemical_class", "kind", "identity", "reviewed"),
    ),
    "alias": ("name", "feature", "site"),
    "range": (
        *("feature", "platform", "matrix", "sex", "age_from", "age_until", "low", "high"),
        *("source", "to_be_confirmed"),
    ),
    "limits": ("study", "platform", "batch", *_ASSAY, "reason"),
}
_OF_CONVERSION: Final = frozenset({"molar_mass", "canonical_unit"})


@transacted
def propose(
    subject: str, pk: int | None, facts: Mapping[str, Any], *, reason: str, by: User
) -> DictionaryEdit:
    """Propose an entry (``pk`` None) or new values of one; foreign keys by their number.

    Raises NotAllowed, UnusableRequest, and ValidationError in the words of the rule it breaks.
    """
    _refuse_others(by, "C")
    if strange := sorted(set(facts) - set(FIELDS.get(subject, ()))):
        raise UnusableRequest(
            say(
                "%(strange)s is not edited here; what can be is %(fields)s.",
                strange=repr(strange[0]),
                fields=", ".join(FIELDS.get(subject, ())),
            )
        )
    row = _row(subject, pk)
    if pk is not None and subject == "feature" and "name" in facts:
        raise UnusableRequest(say("A feature is renamed on its page, which keeps the old name."))
    before = _values(row, facts) if pk is not None else {}
    row = _with(row, facts)
    after = _values(row, facts)
    changed = [name for name in after if pk is None or before[name] != after[name]]
    if not changed:
        raise UnusableRequest(say("Nothing would change."))
    row.full_clean()
    return _proposed(
        kind=Kind.ADD if pk is None else Kind.CHANGE,
        subject=subject,
        subject_id=pk,
        label=str(row)[:300],
        was={name: before[name] for name in changed} if pk is not None else {},
        becomes={name: after[name] for name in changed},
        reason=reason,
        by=by,
    )


@transacted
def propose_verb(
    kind: str, feature_id: int, facts: Mapping[str, Any], *, reason: str, by: User
) -> DictionaryEdit:
    """Propose to rename (``name``), merge (``into``) or split (``name``, ``sites``) a feature.

    It is tried and taken back, so that what cannot be is refused now in the verb's own words.
    """
    _refuse_others(by, "C")
    feature = Feature.objects.get(pk=feature_id)
    tried = transaction.savepoint()
    _VERBS[kind](feature_id, facts, reason, by)
    transaction.savepoint_rollback(tried)
    shown = dict(facts)
    if "into" in shown:
        shown["into"] = Feature.objects.get(pk=facts["into"]).name
    return _proposed(
        kind=kind,
        subject="feature",
        subject_id=feature_id,
        label=feature.name,
        was={"name": feature.name},
        becomes=shown,
        reason=reason,
        by=by,
    )


@transacted
def approve(edit_id: int, *, by: User) -> DictionaryEdit:
    """Carry out what somebody else proposed; what rests on the entry follows."""
    edit = _waiting(edit_id, by)
    if edit.proposed_by_id == by.pk:
        raise NotAllowed(say("You proposed this edit: somebody else approves it."))
    if edit.kind in _VERBS:
        facts = dict(edit.becomes)
        if "into" in facts:
            facts["into"] = _named(facts["into"]).pk
        assert edit.subject_id is not None  # noqa: S101 - verbs have their feature
        _VERBS[edit.kind](edit.subject_id, facts, edit.reason, by)
    else:
        _carry_out(edit, by)
    return _decided(edit, approved=True, by=by)


@transacted
def refuse(edit_id: int, *, note: str, by: User) -> DictionaryEdit:
    """Refuse it with the reason; whoever proposed it may so take it back."""
    edit = _waiting(edit_id, by)
    if not note.strip():
        raise UnusableRequest(say("Say why the edit is refused."))
    edit.note = note.strip()[:300]
    return _decided(edit, approved=False, by=by)


def _rename(pk: int, facts: Mapping[str, Any], reason: str, by: User) -> object:
    return dictionary.rename(pk, name=facts["name"], reason=reason, by=by)


def _merge(pk: int, facts: Mapping[str, Any], reason: str, by: User) -> object:
    return dictionary.merge(pk, into=facts["into"], reason=reason, by=by)


def _split(pk: int, facts: Mapping[str, Any], reason: str, by: User) -> object:
    return dictionary.split(pk, name=facts["name"], sites=facts["sites"], reason=reason, by=by)


_VERBS: Final[dict[str, Callable[[int, Mapping[str, Any], str, User], object]]] = {
    Kind.RENAME: _rename,
    Kind.MERGE: _merge,
    Kind.SPLIT: _split,
}


def _carry_out(edit: DictionaryEdit, by: User) -> None:
    row = _row(edit.subject, edit.subject_id)
    now = _values(row, edit.was)
    if now != edit.was:
        raise ChangedMeanwhile(
            say(
                "%(label)s was changed since this edit was proposed: refuse it, and propose anew.",
                label=edit.label,
            )
        )
    row = _with(row, edit.becomes)
    try:
        row.full_clean()
    except ValidationError as error:
        raise RefusedDecision(
            say("The rules forbid it by now: %(why)s", why=" ".join(error.messages))
        ) from error
    row.save()
    edit.subject_id = row.pk
    _follow(row, set(edit.becomes))
    for study in Study.objects.all():
        Change.objects.record(
            study=study,
            site=None,
            kind="dictionary",
            counts={edit.subject: 1},
            cause=f"{edit.subject} {row} edited by {edit.proposed_by}, approved by {by}"[:200],
        )


def _follow(row: models.Model, changed: set[str]) -> None:
    """What was computed from the entry before is computed from it now."""
    if isinstance(row, Feature) and changed & _OF_CONVERSION:
        lead_to(row, list(columns_of(row, hold_sites(Site.objects.all()))))
    elif isinstance(row, ReferenceRange):
        batch_rules.recheck_ranged(row.feature)
    elif isinstance(row, AcceptanceLimits):
        batch_rules.recheck_held_to(row)


def _row(subject: str, pk: int | None) -> models.Model:
    model = SUBJECTS[subject]
    if pk is None:
        return model()
    found: models.Model | None = (
        model._default_manager.select_for_update(of=("self",)).filter(pk=pk).first()
    )
    if found is None:
        raise UnusableRequest(say("The dictionary has no entry %(pk)s of this kind.", pk=pk))
    return found


def _with(row: models.Model, facts: Mapping[str, Any]) -> models.Model:
    for name, value in facts.items():
        setattr(row, row._meta.get_field(name).attname, value)  # type: ignore[union-attr]  # columns
    row.clean_fields(exclude={f.name for f in row._meta.fields} - set(facts))
    return row


def _values(row: models.Model, names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(row, row._meta.get_field(name).attname) for name in names}  # type: ignore[union-attr]  # columns


def _named(name: str) -> Feature:
    feature: Feature | None = Feature.objects.filter(name=name).first()
    if feature is None:
        raise RefusedDecision(
            say("No feature is called %(name)s any more: refuse this edit.", name=name)
        )
    return feature


def _refuse_others(by: User, verb: str) -> None:
    if not access.may(by, "dictionary_edit", verb):
        raise NotAllowed(say("The consortium's data managers keep the dictionary."))


def _proposed(*, reason: str, by: User, **facts: Any) -> DictionaryEdit:
    edit = DictionaryEdit(**facts, reason=reason.strip()[:300], proposed_by=by)
    edit.full_clean(exclude={"proposed_at"})
    edit.save()
    return edit


def _waiting(edit_id: int, by: User) -> DictionaryEdit:
    edit: DictionaryEdit = (
        DictionaryEdit.objects.select_for_update(of=("self",))
        .select_related("proposed_by")
        .get(pk=edit_id)
    )
    _refuse_others(by, "A")
    if edit.approved is not None:
        raise RefusedDecision(say("This edit has been decided on already."))
    return edit


def _decided(edit: DictionaryEdit, *, approved: bool, by: User) -> DictionaryEdit:
    edit.approved, edit.decided_by, edit.decided_at = approved, by, timezone.now()
    edit.full_clean(exclude={"proposed_at"})
    edit.save()
    return edit
