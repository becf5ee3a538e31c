"""A REDCap project as read -> tables that a site sends: its people, and each form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cohorts.ingest.formats.redcap import RedcapExport
from cohorts.ingest.formats.redcap_dictionary import Variable
from cohorts.ingest.reading import Table

PEOPLE = "participants"


def tables_of(export: RedcapExport, *, labels: bool) -> Iterator[tuple[str, list[list[str]]]]:
    """Name and rows, the header first: one row a participant, then the filled rows of each form.

    With ``labels``, a choice stands under its label as the dictionary has it, else its code. Of a
    form, places that the project does not use (arm, instance) have no column.
    """
    yield PEOPLE, _rows(export.participants(), export, labels)
    for form in export.dictionary.forms:
        table = export.form(form)
        if table.n_rows:
            yield f"form-{form}", _rows(table, export, labels)


def _rows(table: Table, export: RedcapExport, labels: bool) -> list[list[str]]:
    frame = table.frame
    empty = [name for name in ("visit", "arm", "repeat_form", "instance") if name in frame]
    frame = frame.drop(columns=[name for name in empty if not (frame[name] != "").any()])
    known = export.dictionary.columns()
    columns = [
        _told(frame[name].tolist(), known[name][0] if labels and name in known else None)
        for name in frame.columns
    ]
    return [list(map(str, frame.columns)), *map(list, zip(*columns, strict=True))]


def _told(texts: Sequence[str], variable: Variable | None) -> Sequence[str]:
    if variable is None or variable.kind == "checkbox" or not variable.choices:
        return texts
    label_of = dict(variable.choices)
    return [label_of.get(text, text) for text in texts]
