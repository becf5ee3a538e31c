"""A REDCap project at the door: what names a person never reaches the store of sent files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cohorts.errors import UnusableRequest
from cohorts.ingest.checking import Checked
from cohorts.ingest.child import client as child
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.redcap_projects import AtTheDoor
from cohorts.ingest.report import Fault
from cohorts.language.sentences import say
from cohorts.models import Site
from cohorts.services import dictionaries

KIND = "redcap"
_WHY = {
    "identifier": say("Marked as identifiers, so neither read nor kept"),
    "personal_data": say("Personal though not marked as identifiers, so neither read nor kept"),
    "free_text": say("Free text or files, so neither read nor kept"),
}


def kept_of(
    site: Site, data: bytes, dictionary: bytes, *, filename: str, encoding: str = ""
) -> AtTheDoor:
    """What may be stored of a project. Raises UnusableRequest in the words of the reader."""
    if not dictionary:
        raise UnusableRequest(
            say(
                "Send the project's data dictionary beside its data: REDCap exports it as CSV "
                "under Data Dictionary."
            )
        )
    declared = dictionaries.declared(site.study)
    try:
        return child.at_the_door(data, filename, dictionary, declared, encoding)
    except UnreadableFile as error:
        raise UnusableRequest(error.message) from error


def with_left_out(checked: Checked, options: Mapping[str, Any]) -> Checked:
    """The check, whose report also says what was left out at the door."""
    left_out = options.get("left_out", {})
    told = tuple(
        Fault(
            None, None, code, say("%(why)s: %(names)s.", names=", ".join(left_out[code]), why=why)
        )
        for code, why in _WHY.items()
        if left_out.get(code)
    )
    report = replace(checked.report, warnings=(*told, *checked.report.warnings))
    return replace(checked, report=report)


def options_of(kept: AtTheDoor) -> dict[str, dict[str, Sequence[str]]]:
    """What the upload keeps of the door, to be told with each of its checks."""
    return {"left_out": {code: list(names) for code, names in kept.left_out.items() if names}}
