"""Pages of the dictionary: names to decide on, and a feature with its lineage and ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.forms.base import PlainForm
from cohorts.forms.features import DecisionForm, MergeForm, RenameForm, SplitForm
from cohorts.models import DictionaryEdit, Feature, FeatureDecision, ReferenceRange, User
from cohorts.requests import user_of
from cohorts.services.features import dictionary_edits, name_review
from cohorts.services.reference import remarks
from cohorts.views.base import PAGE, carried_out

EDITS: dict[str, tuple[str | Promise, type[PlainForm]]] = {
    "rename": (_("Rename"), RenameForm),
    "merge": (_("Merge into another feature"), MergeForm),
    "split": (_("Split off what some sites measure"), SplitForm),
}


@login_required
def name_list(request: HttpRequest) -> HttpResponse:
    """Names that tables brought and nobody has decided on."""
    user = user_of(request)
    if not access.may(user, "source_name", "R"):
        raise PermissionDenied
    page = Paginator(name_review.waiting(user), PAGE).get_page(request.GET.get("page"))
    rows = name_review.described(list(page.object_list), user)
    return render(request, "cohorts/names.html", {"page": page, "rows": rows})


@login_required
def feature(request: HttpRequest, feature_id: int) -> HttpResponse:
    """A feature: what it is, what it was called, its ranges; decisions by those who may."""
    user = user_of(request)
    if not access.may(user, "dictionary", "R"):
        raise PermissionDenied
    found = get_object_or_404(Feature.objects.select_related("merged_into"), pk=feature_id)
    forms = _forms(request, user, found)
    asked = forms.get(request.POST.get("verb", ""))
    if request.method == "POST":
        if asked is None:
            raise PermissionDenied
        if asked.is_valid() and carried_out(request, asked, lambda: _done(user, found, asked)):
            return redirect("feature", found.pk)
    ranges = ReferenceRange.objects.filter(feature=found)
    decisions = FeatureDecision.objects.visible_to(user).of(found)
    context = {
        "feature": found,
        "waiting": Feature.objects.waiting().filter(pk=found.pk).exists(),
        "sent": name_review.described([found], user)[0],
        # What somebody has filled in since needs no reason any more.
        "remark": "" if found.hmdb and found.chebi else remarks().get(found.name, ""),
        "aliases": found.aliases.filter(site=None),
        "ranges": ranges,
        "decisions": decisions.select_related("site", "decided_by", "into", "feature"),
        "forms": [(verb, EDITS.get(verb, (_("Decide"), None))[0], f) for verb, f in forms.items()],
    }
    refused = asked is not None and bool(asked.errors)
    return render(request, "cohorts/feature.html", context, status=422 if refused else 200)


def _forms(request: HttpRequest, user: User, found: Feature) -> dict[str, PlainForm]:
    """The forms of what this person may do to it now."""
    verb = request.POST.get("verb", "")
    if found.merged_into_id is not None:
        return {}
    forms: dict[str, PlainForm] = {}
    waits = not (found.reviewed or found.ignored)
    if waits and any(access.may(user, "source_name", each) for each in "CA"):
        sent = request.POST if verb == "decide" else None
        forms["decide"] = DecisionForm(sent, by=user, prefix="decide")
    elif access.may(user, "dictionary", "U"):
        for name, (_, form) in EDITS.items():
            forms[name] = form(request.POST if verb == name else None, prefix=name)
    return forms


def _done(user: User, found: Feature, form: PlainForm) -> str:
    _verb_of(form)(found.pk, dict(form.cleaned_data), user)
    if isinstance(form, DecisionForm):
        return gettext("Decided; the analyses that it touches run again.")
    return gettext("Proposed: it is in force once somebody else approves it.")


def _propose(
    kind: str, pk: int, facts: dict[str, Any], said: dict[str, Any], by: User
) -> DictionaryEdit:
    return dictionary_edits.propose_verb(kind, pk, facts, reason=said["reason"], by=by)


def _verb_of(form: PlainForm) -> Callable[[int, dict[str, Any], User], object]:
    if isinstance(form, RenameForm):
        return lambda pk, said, by: _propose("rename", pk, {"name": said["name"]}, said, by)
    if isinstance(form, MergeForm):
        return lambda pk, said, by: _propose("merge", pk, {"into": said["into"].pk}, said, by)
    if isinstance(form, SplitForm):
        return lambda pk, said, by: _propose(
            "split", pk, {"name": said["name"], "sites": [s.code for s in said["sites"]]}, said, by
        )
    return _decide


def _decide(pk: int, said: dict[str, Any], by: User) -> None:
    reason = {"reason": said["reason"], "by": by}
    if said["decision"] == "alias":
        name_review.decide_alias(pk, of=said["of"].pk, site=said["site"], **reason)
    elif said["decision"] == "new":
        name_review.decide_new(pk, name=said["name"], facts=said, **reason)
    else:
        name_review.ignore(pk, **reason)
