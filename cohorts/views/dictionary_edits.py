"""The page on which edits of the dictionary are seen as a difference, approved and refused."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cohorts import access
from cohorts.errors import DomainError
from cohorts.models import DictionaryEdit
from cohorts.requests import user_of
from cohorts.services.features import dictionary_edits
from cohorts.views.base import PAGE


@login_required
def edits(request: HttpRequest) -> HttpResponse:
    """Those that wait first, then what was decided."""
    user = user_of(request)
    if not access.may(user, "dictionary_edit", "R"):
        raise PermissionDenied
    seen = DictionaryEdit.objects.visible_to(user).select_related("proposed_by", "decided_by")
    decided = Paginator(seen.exclude(approved=None), PAGE).get_page(request.GET.get("page"))
    context = {
        "waiting": seen.waiting(),
        "page": decided,
        "may_decide": access.may(user, "dictionary_edit", "A"),
    }
    return render(request, "cohorts/dictionary_edits.html", context)


@login_required
@require_POST
def decide(request: HttpRequest, edit_id: int) -> HttpResponse:
    """Approve an edit, or refuse it with the reason."""
    user = user_of(request)
    found = get_object_or_404(DictionaryEdit.objects.visible_to(user), pk=edit_id)
    if not access.may(user, "dictionary_edit", "A"):
        raise PermissionDenied
    try:
        if "approve" in request.POST:
            dictionary_edits.approve(found.pk, by=user)
        else:
            dictionary_edits.refuse(found.pk, note=request.POST.get("note", ""), by=user)
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Decided."))
    return redirect("dictionary-edits")
