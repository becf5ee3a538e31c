"""What a record keeps as JSON, as tables and lists that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, Field, JSONField, TextField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cohorts.language import vocabulary
from cohorts.language.told import told

MOST = 200  # entries of one list or table


def readable(value: Any) -> SafeString | str:
    """Mappings as lines, lists of like mappings as a table, other lists as entries.

    Names and sentences of ours are said in the reader's language, and nothing else.
    """
    if isinstance(value, Mapping) and value:
        return _lines(value)
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return _table(value) if all(isinstance(each, Mapping) for each in value) else _list(value)
    return _plain(value)


def is_words(field: Field[Any, Any]) -> bool:
    """Texts may be sentences of ours; links, addresses and choices are shown as Django does."""
    texts = type(field) in (CharField, TextField) and not field.choices
    return texts or isinstance(field, JSONField | ArrayField)


def shown_in_words(field: Field[Any, Any]) -> Callable[[Any], SafeString | str]:
    """A column of the admin in place of a field: by its name forms find the field's help."""

    def shown(row: Any) -> SafeString | str:
        return readable(getattr(row, field.name))

    shown.__name__ = field.name
    shown.short_description = field.verbose_name  # type: ignore[attr-defined]  # as Django reads it
    shown.admin_order_field = field.name  # type: ignore[attr-defined]  # as Django reads it
    return shown


def _plain(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return f"{value:.6g}" if isinstance(value, float) else word(str(value))


def word(value: str) -> str:
    """A value or a name that a record keeps, as the portal says it."""
    return vocabulary.in_words(value) if value in vocabulary.WORDS else told(value)


def _lines(value: Mapping[str, Any]) -> SafeString:
    return format_html(
        '<table class="kept">{}</table>',
        format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td></tr>',
            ((word(name), readable(each)) for name, each in value.items()),
        ),
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    names = list(dict.fromkeys(name for row in rows[:MOST] for name in row))
    head = format_html_join("", '<th scope="col">{}</th>', ((word(name),) for name in names))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        (
            (format_html_join("", "<td>{}</td>", ((readable(row.get(n)),) for n in names)),)
            for row in rows[:MOST]
        ),
    )
    return format_html(
        '<table class="kept"><thead><tr>{}</tr></thead>{}</table>{}', head, body, _rest(rows)
    )


def _list(entries: Sequence[Any]) -> SafeString | str:
    shown = entries[:MOST]
    if all(isinstance(each, str | int | float) or each is None for each in shown):
        return format_html("{}{}", ", ".join(map(_plain, shown)), _rest(entries))
    lines = format_html_join("", "<li>{}</li>", ((readable(each),) for each in shown))
    return format_html('<ul class="kept">{}</ul>{}', lines, _rest(entries))


def _rest(entries: Sequence[Any]) -> str:
    n = len(entries) - MOST
    return gettext(" and %(n)s more") % {"n": n} if n > 0 else ""
