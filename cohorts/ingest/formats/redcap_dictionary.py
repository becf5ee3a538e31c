"""A REDCap data dictionary -> what each variable is, and which of them name a person."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cohorts.ingest.cells import quoted
from cohorts.ingest.columns import checkbox_column, is_personal
from cohorts.ingest.facts import ContextVariable
from cohorts.ingest.reading import Table, UnreadableFile, read_table

_HEADERS = {
    "name": ("variable / field name", "field_name"),
    "form": ("form name", "form_name"),
    "kind": ("field type", "field_type"),
    "label": ("field label", "field_label"),
    "choices": (
        "choices, calculations, or slider labels",
        "choices or calculations",
        "select_choices_or_calculations",
    ),
    "validation": (
        "text validation type or show slider number",
        "text_validation_type_or_show_slider_number",
    ),
    "minimum": ("text validation min", "text_validation_min"),
    "maximum": ("text validation max", "text_validation_max"),
    "identifier": ("identifier?", "identifier"),
    "branching": ("branching logic (show field only if...)", "branching_logic"),
    "required": ("required field?", "required_field"),
    "annotation": ("field annotation", "field_annotation"),
}
_NEEDED = ("name", "form", "kind", "label")
_CHOICE_KINDS = frozenset({"radio", "dropdown", "checkbox"})
_KINDS = _CHOICE_KINDS | {"text", "notes", "calc", "file", "descriptive", "slider", "sql"}
_KINDS |= {"yesno", "truefalse"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PERSONAL_VALIDATION = re.compile(
    r"email|phone.*|ssn|zipcode|postalcode_.*|mrn.*|vmrn|signature", re.IGNORECASE
)
_NO_VALUES = frozenset({"notes", "file", "descriptive", "sql"})


@dataclass(frozen=True, kw_only=True)
class Variable(ContextVariable):
    """One field of a form, as a dictionary's ``row`` declares it; it may be marked as identifying.

    ``calculation`` is the formula of a ``calc`` field.
    """

    row: int
    identifier: bool = False

    @property
    def is_personal(self) -> bool:
        """Marked as an identifier, or by name, validation or label one that was not marked."""
        personal_validation = _PERSONAL_VALIDATION.fullmatch(self.validation)
        birth_date = self.validation.startswith("date") and is_personal(self.label)
        return self.identifier or bool(personal_validation) or birth_date or is_personal(self.name)

    @property
    def is_open(self) -> bool:
        """A line of text that REDCap does not validate: a number, or anything at all."""
        return self.kind == "text" and self.validation in ("", "alpha_only")

    @property
    def holds_values(self) -> bool:
        """Free text and files may hold anything about a person, so they are never read."""
        return self.kind not in _NO_VALUES

    @property
    def decimal_comma(self) -> bool:
        return self.validation.endswith("comma_decimal")


@dataclass(frozen=True)
class VariableDictionary:
    """The variables in the order of the dictionary; the first is the record's own code."""

    variables: tuple[Variable, ...]

    @property
    def record_id(self) -> Variable:
        return self.variables[0]

    @property
    def forms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(variable.form for variable in self.variables))

    def find(self, name: str) -> Variable | None:
        return next((variable for variable in self.variables if variable.name == name), None)

    def columns(self) -> dict[str, tuple[Variable, str]]:
        """Column of an export -> its variable and, of a checkbox, the code that it stands for."""
        found = {}
        for variable in self.variables:
            if variable.kind == "checkbox":
                for code, _ in variable.choices:
                    found[checkbox_column(variable.name, code)] = (variable, code)
            elif variable.kind != "descriptive":
                found[variable.name] = (variable, "")
        return found


def read_dictionary(content: bytes, *, filename: str = "dictionary") -> VariableDictionary:
    """Read a data dictionary as REDCap exports it, by the web page or by its API.

    Raises UnreadableFile naming row and column of what no dictionary has.
    """
    table = read_table(content, filename=filename)
    columns = _columns(table, filename)
    texts = {key: table.frame[header].tolist() for key, header in columns.items()}
    variables: dict[str, Variable] = {}
    for place, row in enumerate(table.frame.index.tolist()):
        variable = _variable(row, {key: column[place] for key, column in texts.items()}, filename)
        if variable.name in variables:
            raise UnreadableFile(
                f"{filename}: row {row}: {variable.name} is also in row "
                f"{variables[variable.name].row}; keep one."
            )
        variables[variable.name] = variable
    return _sound(VariableDictionary(tuple(variables.values())), filename)


def _columns(table: Table, filename: str) -> dict[str, str]:
    by_name = {header.casefold(): header for header in table.columns}
    found = {
        key: by_name[name] for key, names in _HEADERS.items() for name in names if name in by_name
    }
    missing = [_HEADERS[key][0] for key in (*_NEEDED, "identifier") if key not in found]
    if missing:
        raise UnreadableFile(
            f"{filename}: row 1: no column {quoted(missing[0])}; send the data dictionary as "
            "REDCap exports it."
        )
    return found


def _sound(dictionary: VariableDictionary, filename: str) -> VariableDictionary:
    first = dictionary.record_id
    if first.identifier:
        raise UnreadableFile(
            f"{filename}: row {first.row}: {first.name} is the code of the record and marked as "
            "an identifier; record people under study codes and send those."
        )
    if first.kind != "text":
        raise UnreadableFile(
            f"{filename}: row {first.row}: the first variable is a {first.kind}, "
            "but a record's code is a text; send the whole dictionary."
        )
    return dictionary


def _variable(row: int, cells: dict[str, str], filename: str) -> Variable:
    kind, choices = cells["kind"], cells.get("choices", "")
    if not _NAME.fullmatch(cells["name"]):
        raise UnreadableFile(
            f"{filename}: row {row}: {quoted(cells['name'])} is no name of a variable; "
            "REDCap allows a-z, 0-9 and _."
        )
    if kind not in _KINDS:
        raise UnreadableFile(
            f"{filename}: row {row}: {quoted(kind)} is no field type of REDCap; correct it."
        )
    return Variable(
        row=row,
        name=cells["name"],
        form=cells["form"],
        kind=kind,
        label=cells["label"],
        choices=_choices(row, kind, choices, filename),
        calculation=choices if kind == "calc" else "",
        validation=cells.get("validation", ""),
        minimum=cells.get("minimum", ""),
        maximum=cells.get("maximum", ""),
        identifier=cells.get("identifier", "").casefold() == "y",
        branching=cells.get("branching", ""),
        required=cells.get("required", "").casefold() == "y",
        annotation=cells.get("annotation", ""),
    )


def _choices(row: int, kind: str, text: str, filename: str) -> tuple[tuple[str, str], ...]:
    if kind in ("yesno", "truefalse"):
        words = ("No", "Yes") if kind == "yesno" else ("False", "True")
        return (("0", words[0]), ("1", words[1]))
    if kind not in _CHOICE_KINDS:
        return ()
    pairs: list[tuple[str, str]] = []
    for part in text.split("|"):
        code, comma, label = (piece.strip() for piece in part.partition(","))
        if not comma or not code or code in dict(pairs):
            raise UnreadableFile(
                f"{filename}: row {row}: {quoted(part)} is no choice; write code, label with | "
                "between the choices, each code once."
            )
        pairs.append((code, label))
    return tuple(pairs)
