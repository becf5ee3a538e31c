"""What a record keeps as JSON, as tables and lists that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, CharField, Field, JSONField, TextField
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts.language import vocabulary
from cohorts.language.states import STATES
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
    # A group of people is one of the study's words; other slugs are codes.
    return texts or field.name == "group" or isinstance(field, JSONField | ArrayField)


def is_shown_otherwise(field: Field[Any, Any]) -> bool:
    """Whether Django's own column would not be in the reader's language."""
    return isinstance(field, BooleanField) or is_words(field)


def shown_in_words(field: Field[Any, Any]) -> Callable[[Any], SafeString | str]:
    """A column of the admin in place of a field: by its name forms find the field's help."""

    def shown(row: Any) -> SafeString | str:
        value = getattr(row, field.name)
        return marked(value) if isinstance(field, BooleanField) else readable(value)

    shown.__name__ = field.name
    shown.short_description = field.verbose_name  # type: ignore[attr-defined]  # as Django reads it
    shown.admin_order_field = field.name  # type: ignore[attr-defined]  # as Django reads it
    return shown


def marked(value: bool | None) -> SafeString:
    """Django's mark for yes, no or unknown, which Django calls True, False and None."""
    sign, words = {
        True: ("yes", gettext("yes")),
        False: ("no", gettext("no")),
        None: ("unknown", gettext("unknown")),
    }[value]
    return format_html('<img src="{}" alt="{}">', static(f"admin/img/icon-{sign}.svg"), words)


def _plain(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return f"{value:.6g}" if isinstance(value, float) else word(str(value))


def word(value: str) -> str:
    """A value or a name that a record keeps, as the portal says it."""
    if value in vocabulary.WORDS:
        return vocabulary.in_words(value)
    return gettext(STATES[value][2]) if value in STATES else told(value)


def shown_state(row: Any) -> str:
    """A column of the admin: a state that a record has of its dates."""
    return word(row.state)


shown_state.short_description = _("state")  # type: ignore[attr-defined]  # as Django reads it


def _name(value: str) -> SafeString | str:
    """A name in words; one that programs alone read, as they do."""
    said = word(value)
    return format_html("<code>{}</code>", value) if said == value else said


def _lines(value: Mapping[str, Any]) -> SafeString:
    return format_html(
        '<table class="kept">{}</table>',
        format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td></tr>',
            ((_name(name), readable(each)) for name, each in value.items()),
        ),
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> SafeString:
    names = list(dict.fromkeys(name for row in rows[:MOST] for name in row))
    head = format_html_join("", '<th scope="col">{}</th>', ((_name(name),) for name in names))
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
