"""What a record keeps as JSON, as tables and lists that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

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


def _plain(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return f"{value:.6g}" if isinstance(value, float) else told(str(value))


def _lines(value: Mapping[str, Any]) -> SafeString:
    return format_html(
        '<table class="kept">{}</table>',
        format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td></tr>',
            ((gettext(name) if name else "", readable(each)) for name, each in value.items()),
        ),
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    names = list(dict.fromkeys(name for row in rows[:MOST] for name in row))
    head = format_html_join(
        "", '<th scope="col">{}</th>', ((gettext(name) if name else "",) for name in names)
    )
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
