"""Pages of people, sites and uploads: each asks what the person may see, and shows it."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from cohorts.errors import DomainError

PAGE = 25


def carried_out(request: HttpRequest, form: forms.BaseForm, verb: Callable[[], str]) -> bool:
    """Carry out; what was done as a message, or why not beside the form."""
    try:
        words = verb()
    except DomainError as error:
        form.add_error(None, error.message)
    except ValidationError as error:
        form.add_error(None, error.messages)
    else:
        messages.success(request, words)
        return True
    return False


# --- the person's own account
