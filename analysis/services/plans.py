"""Analysis plans: set by people or by a study's description; an edit is a new version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from analysis import plans
from analysis.models import Plan
from analysis.services import freshness
from cohorts.ingest.report import Fault
from cohorts.ingest.study.description import STUDY_FILE, StudyDescription, StudyFault
from cohorts.models import Instrument, Study
from cohorts.services.studies import importing
from cohorts.services.studies.importing import RefusedStudy, StudyOutcome

PEOPLE = frozenset({"age_years", "sex", "drug_free"})
"""Covariates that every participant may have."""


@dataclass(frozen=True)
class ImportedStudy:
    """A study on the books, and its plan. ``plan_is_new`` False: that version was there."""

    study: StudyOutcome
    plan: Plan | None
    plan_is_new: bool

    @property
    def changed(self) -> bool:
        return self.study.changed or self.plan_is_new


def import_study(
    description: StudyDescription, contents: Mapping[str, bytes], *, dry_run: bool = False
) -> ImportedStudy:
    """Bring in a study's tables and the plan that it starts with, in one transaction.

    Raises RefusedStudy with all faults of study.toml and of the tables.
    """
    faults = _plan_faults(description)
    try:
        with transaction.atomic():
            outcome = importing.import_study(description, contents)
            faults += [] if faults else _unknown_columns(description, outcome)
            if faults:
                raise RefusedStudy(faults)
            plan, is_new = _set(outcome.study, description)
            if dry_run:
                transaction.set_rollback(True)
    except RefusedStudy as refusal:
        raise RefusedStudy(list(dict.fromkeys([*faults, *refusal.faults]))) from refusal
    return ImportedStudy(outcome, plan, is_new)


def set_plan(study: Study, name: str, data: Mapping[str, Any]) -> tuple[Plan, bool]:
    """The newest version of the plan, and whether this made it: equal settings are one version.

    Raises ValidationError that names every setting at fault.
    """
    parsed = plans.parse(data)
    newest = Plan.objects.select_for_update().filter(name=name).order_by("-version").first()
    if newest is not None and newest.study_id != study.pk:
        raise ValidationError(
            f"plan: the name {name} is a plan of the study {newest.study.code}; choose another."
        )
    if newest is not None and newest.parsed.digest == parsed.digest:
        return newest, False
    plan = Plan(study=study, name=name, data=data, version=newest.version + 1 if newest else 1)
    plan.full_clean()
    plan.save()
    transaction.on_commit(freshness.nudge, robust=True)
    return plan, True


def _set(study: Study, description: StudyDescription) -> tuple[Plan | None, bool]:
    if description.plan is None:
        return None, False
    try:
        return set_plan(study, description.plan_name, dict(description.plan))
    except ValidationError as error:
        raise RefusedStudy(_as_faults(error.messages)) from error


def _plan_faults(description: StudyDescription) -> list[StudyFault]:
    try:
        if description.plan is not None:
            plans.parse(description.plan)
    except ValidationError as error:
        return _as_faults(error.messages)
    return []


def _unknown_columns(description: StudyDescription, outcome: StudyOutcome) -> list[StudyFault]:
    """Covariates and an outcome that nobody in the tables has."""
    if description.plan is None:
        return []
    plan, file = plans.parse(description.plan), description.participants.file
    known = PEOPLE | set(outcome.variables)
    said = [
        f"plan: the covariate {name!r} is no column of {file}; correct it or add it to `columns`."
        for name in plan.covariates
        if name not in known
    ]
    instruments = Instrument.objects.values_list("code", flat=True)
    if plan.outcome and plan.outcome not in {*outcome.variables, *instruments}:
        said.append(
            f"plan: the outcome {plan.outcome!r} is neither a column of {file} nor an "
            "instrument; correct it or leave it empty."
        )
    said += [
        f"plan: nobody is in the group {group!r} of `{arm}`; the groups are "
        f"{', '.join(sorted(outcome.groups))}."
        for arm in ("case", "control")
        for group in getattr(plan, arm)
        if group not in outcome.groups
    ]
    return _as_faults(said)


def _as_faults(messages: list[str]) -> list[StudyFault]:
    return [StudyFault(STUDY_FILE, Fault(None, None, "plan", text)) for text in messages]
