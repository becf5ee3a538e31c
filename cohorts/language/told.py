"""A sentence in the language of who reads it now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import lazy
from django.utils.translation import gettext

from cohorts.language.local_figures import in_locale, value_in_locale
from cohorts.language.recognised import NOUN, is_said, recognised
from cohorts.language.sentences import Sentence


def told(said: Any, kept: Any = None) -> str:
    """A sentence, or a text with what was stored beside it, in the active language.

    A text alone is said where a catalogue knows it, or a template of it, and else stays as it is.
    """
    if isinstance(said, Sentence):
        return _filled(said.template, said.values)
    if isinstance(kept, Mapping) and "template" in kept:
        return _filled(kept["template"], kept.get("values", {}))
    return recognised(str(said)) if said else ""


def _filled(template: str, values: Mapping[str, Any]) -> str:
    words = gettext(template)
    if not values:
        return words
    filled = words % {
        name: gettext(value) if name == NOUN else _value(value) for name, value in values.items()
    }
    # Japanese sets no space between sentences; `together` puts one.
    return filled.replace("。 ", "。")


def _value(value: Any) -> Any:
    if isinstance(value, Sentence):
        return told(value)
    if isinstance(value, str):
        return recognised(value) if is_said(value) else value_in_locale(value)
    if isinstance(value, float):
        return in_locale(str(value))
    return told("", value) if isinstance(value, Mapping) else value


# Said when it is shown, such as a message of a form.
told_lazily = lazy(told, str)
