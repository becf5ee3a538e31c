"""What models and their fields are called, in every language: the admin's columns and headings.

Django makes these names from the code's own. They are marked when the apps are ready, not on each
field: the names that a migration keeps stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import AppConfig
from django.db.models import Field, Model
from django.utils.functional import Promise, lazy
from django.utils.translation import get_language, gettext, gettext_lazy, override


def mark(app: AppConfig) -> None:
    """Let the names of an app's models be said in the language of who reads them."""
    for model in app.get_models():
        meta = model._meta
        if not isinstance(meta.verbose_name, Promise):
            several = str(meta.verbose_name_plural)
            meta.verbose_name_plural = _many(str(meta.verbose_name), several)
            meta.verbose_name = gettext_lazy(str(meta.verbose_name))
        for field in _own(model):
            if not isinstance(field.verbose_name, Promise):
                field.verbose_name = gettext_lazy(str(field.verbose_name))
            if field.choices:
                field.choices = [(value, _spoken(label)) for value, label in field.flatchoices]


def names(apps: Iterable[AppConfig]) -> Iterator[tuple[str, str]]:
    """Each English name, and the model that it is of."""
    for app in apps:
        for model in app.get_models():
            said = [model._meta.verbose_name, *(field.verbose_name for field in _own(model))]
            said += [label for field in _own(model) for _, label in field.flatchoices or ()]
            with override("en"):
                yield from [(str(each), model.__name__) for each in said if str(each)]


def _spoken(label: Any) -> Any:
    return label if isinstance(label, Promise) else gettext_lazy(str(label))


def _own(model: type[Model]) -> Iterator[Field[Any, Any]]:
    for field in model._meta.get_fields():
        if isinstance(field, Field):
            yield field


def _plural(one: str, several: str) -> str:
    """Languages without a plural of their own for it have the one word."""
    language = get_language() or "en"
    return several if language.startswith("en") else gettext(one)


_many = lazy(_plural, str)
