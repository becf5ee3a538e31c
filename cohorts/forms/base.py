"""Forms of the portal. They ask; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms


class PlainForm(forms.Form):
    """Fields in the look of the portal, with their faults tied to them for screen readers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", _look(field.widget))


def _look(widget: forms.Widget) -> str:
    """Bootstrap's class for a kind of field."""
    if isinstance(widget, forms.CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(widget, forms.Select) else "form-control"
