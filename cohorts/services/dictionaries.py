"""The dictionary of a study's context variables: read from REDCap's, kept in versions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cohorts import access
from cohorts.errors import ChangedMeanwhile, NotAllowed, UnusableRequest
from cohorts.ingest.branching import is_understood
from cohorts.ingest.columns import SPECS, heading
from cohorts.ingest.context import columns_of
from cohorts.ingest.dictionary_changes import DictionaryChanges, changes_between
from cohorts.ingest.facts import ContextVariable
from cohorts.ingest.formats.redcap_dictionary import Variable, read_dictionary
from cohorts.ingest.reading import UnreadableFile
from cohorts.language.sentences import say
from cohorts.models import Study, User, VariableDictionary
from cohorts.retrying import transacted
from cohorts.services.recorded_answers import Outside, outside

_KEPT = tuple(ContextVariable.__dataclass_fields__)
_STANDARD = frozenset(
    heading(name) for kind in ("participants", "assessments") for name in SPECS[kind].names
)


@dataclass(frozen=True)
class Draft:
    """A dictionary that was read: ``left_out`` are (name, why), ``unjudged`` have branching that
    only REDCap can work out, and that is kept as written. ``outside`` are recorded answers that it
    would not take: they stay as they are.
    """

    variables: tuple[ContextVariable, ...]
    left_out: tuple[tuple[str, str], ...]
    unjudged: tuple[str, ...]
    after: int
    changes: DictionaryChanges
    outside: tuple[Outside, ...]


def declared(study: Study) -> tuple[ContextVariable, ...]:
    """The variables that tables of this study may bring, by the newest version."""
    newest = VariableDictionary.objects.current(study).first()
    return variables_of(newest) if newest else ()


def variables_of(version: VariableDictionary) -> tuple[ContextVariable, ...]:
    return tuple(_thawed(each) for each in version.variables)


def draft(study: Study, content: bytes, *, filename: str = "dictionary") -> Draft:
    """What this file would make of the study's dictionary. Raises UnusableRequest in words."""
    try:
        read = read_dictionary(content, filename=filename)
    except UnreadableFile as error:
        raise UnusableRequest(error.message) from error
    kept: list[ContextVariable] = []
    left_out: list[tuple[str, str]] = []
    for variable in read.variables[1:]:  # the first is the record's own code
        why = _why_left_out(variable)
        if why:
            left_out.append((variable.name, why))
        else:
            kept.append(_plain(variable))
    if not kept:
        raise UnusableRequest(
            say("%(filename)s has no variable that may be taken.", filename=filename)
        )
    newest = VariableDictionary.objects.current(study).first()
    before = variables_of(newest) if newest else ()
    unjudged = [v.name for v in kept if v.branching and not is_understood(v.branching)]
    return Draft(
        variables=tuple(kept),
        left_out=tuple(left_out),
        unjudged=tuple(unjudged),
        after=newest.version if newest else 0,
        changes=changes_between(before, kept),
        outside=tuple(outside(study, before, kept)),
    )


@transacted
def add(
    study_id: int, content: bytes, *, by: User, after: int, filename: str = "dictionary"
) -> VariableDictionary:
    """Keep a new version; ``after`` is the version that the person was shown it beside.

    Raises NotAllowed, ChangedMeanwhile, UnusableRequest where nothing would change. No data
    arrive by it, so nothing is computed again.
    """
    study = Study.objects.select_for_update(no_key=True).get(pk=study_id)
    if not access.may(by, "dictionary", "C"):
        raise NotAllowed(
            say(
                "Your role does not change the study's dictionary; ask the consortium data manager."
            )
        )
    made = draft(study, content, filename=filename)
    if made.after != after:
        raise ChangedMeanwhile(
            say(
                "The dictionary is version %(after)s by now, and you have seen "
                "%(seen)s: look at what this file changes again, then take it.",
                after=made.after,
                seen=after,
            )
        )
    if not made.changes.names:
        raise UnusableRequest(
            say("This file says what version %(after)s says; nothing would change.", after=after)
        )
    version = VariableDictionary(
        study=study,
        version=after + 1,
        variables=[asdict(each) for each in made.variables],
        left_out=[list(each) for each in made.left_out],
        filename=filename[:255],
        added_by=by,
    )
    version.full_clean()
    version.save()
    return version


def changes_of(version: VariableDictionary) -> DictionaryChanges:
    """What a version changed beside the one before it."""
    earlier = VariableDictionary.objects.current(version.study).filter(version__lt=version.version)
    before = earlier.first()
    return changes_between(variables_of(before) if before else (), variables_of(version))


def _why_left_out(variable: Variable) -> str:
    if variable.is_personal:
        return say("it names a person")
    if not variable.holds_values:
        return say("free text and files are not taken")
    clash = {heading(each.name) for each in columns_of([_plain(variable)])} & _STANDARD
    return say("the tables have a column of that name already") if clash else ""


def _plain(variable: Variable) -> ContextVariable:
    return ContextVariable(**{name: getattr(variable, name) for name in _KEPT})


def _thawed(stored: dict[str, Any]) -> ContextVariable:
    choices = tuple((code, label) for code, label in stored["choices"])
    return ContextVariable(**{**stored, "choices": choices})
