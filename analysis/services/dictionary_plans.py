"""Which plans a new version of a study's dictionary touches."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.models import Plan
from cohorts.ingest.dictionary_changes import DictionaryChanges
from cohorts.models import Study


@dataclass(frozen=True)
class Touched:
    """A plan that names a variable which is not what it was; ``use`` is covariate or outcome."""

    plan: str
    version: int
    use: str
    variable: str
    what: str


def touched_by(changes: DictionaryChanges, study: Study) -> list[Touched]:
    """The newest version of each plan that is followed; earlier ones are history."""
    found = []
    for plan in Plan.objects.current().filter(study=study).order_by("name"):
        said = plan.parsed
        named = [("covariate", name) for name in said.covariates] + [("outcome", said.outcome)]
        found += [
            Touched(plan.name, plan.version, use, name, changes.what_of(name))
            for use, name in named
            if name in changes.names
        ]
    return found
