"""The page of a study's context variables: what is declared, and what each version changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _

from analysis.services.dictionary_plans import touched_by
from cohorts import access
from cohorts.errors import DomainError
from cohorts.forms.base import PlainForm
from cohorts.models import Study, User, VariableDictionary
from cohorts.outgoing import data_dictionary
from cohorts.requests import user_of
from cohorts.services import dictionaries

LARGEST = 2_000_000


class DictionaryForm(PlainForm):
    """A file to look at, or the text of the one that was looked at."""

    file = forms.FileField(label=_("Data dictionary (CSV) as REDCap exports it"), required=False)
    content = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)
    filename = forms.CharField(widget=forms.HiddenInput, required=False, max_length=255)
    after = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        file = said.get("file")
        if file is None and not said.get("content"):
            raise forms.ValidationError(_("Choose the file of the data dictionary."))
        if file is not None and file.size > LARGEST:
            raise forms.ValidationError(_("The file is larger than 2 MB: is it the dictionary?"))
        return said


@login_required
def dictionary(request: HttpRequest, code: str) -> HttpResponse:
    """The study's variables; a new version is looked at before it is taken."""
    user = user_of(request)
    if not access.may(user, "dictionary", "R"):
        raise PermissionDenied
    study = get_object_or_404(Study.objects.visible_to(user), code=code)
    may_change = access.may(user, "dictionary", "C")
    form = DictionaryForm(request.POST or None, request.FILES or None)
    draft, sent = None, {}
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        if form.is_valid():
            try:
                if taken := _take(request, study, user, form.cleaned_data):
                    return taken
                sent = _sent(form.cleaned_data)
                draft = dictionaries.draft(
                    study, sent["content"].encode(), filename=sent["filename"]
                )
            except DomainError as error:
                form.add_error(None, error.message)
    versions = list(VariableDictionary.objects.visible_to(user).filter(study=study))
    context = {
        "study": study,
        "form": form if may_change else None,
        "draft": draft,
        "sent": sent,
        "plans": touched_by(draft.changes, study) if draft else [],
        "versions": [_version(each) for each in versions],
        "variables": dictionaries.variables_of(versions[0]) if versions else (),
    }
    status = 422 if form.errors else 200
    return render(request, "analysis/dictionary.html", context, status=status)


@login_required
def dictionary_file(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """One version as REDCap's data dictionary."""
    rows = VariableDictionary.objects.visible_to(user_of(request))
    found = get_object_or_404(rows, study__code=code, version=version)
    answer = HttpResponse(
        data_dictionary.write(dictionaries.variables_of(found)),
        content_type="text/csv; charset=utf-8",
    )
    answer["Content-Disposition"] = f'attachment; filename="{code}-variables-{version}.csv"'
    return answer


def _sent(said: dict[str, Any]) -> dict[str, Any]:
    file = said["file"]
    if file is None:
        return {"content": said["content"], "filename": said["filename"] or "dictionary.csv"}
    # Kept in the page as text until it is taken; what is no text is refused by the reader.
    text = file.read().decode("utf-8-sig", errors="replace")
    return {"content": text, "filename": file.name}


def _take(
    request: HttpRequest, study: Study, user: User, said: dict[str, Any]
) -> HttpResponse | None:
    """The new version, where the button that takes it was pressed."""
    if request.POST.get("step") != "take" or said["after"] is None:
        return None
    sent = _sent(said)
    made = dictionaries.add(
        study.pk,
        sent["content"].encode(),
        by=user,
        after=said["after"],
        filename=sent["filename"],
    )
    messages.success(
        request,
        _("Version %(version)s is what tables are checked by from now on.")
        % {"version": made.version},
    )
    return redirect("dictionary", study.code)


def _version(version: VariableDictionary) -> dict[str, Any]:
    return {"row": version, "changes": dictionaries.changes_of(version)}
