"""The page of one's own tokens: made, shown once, ended."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cohorts import access
from cohorts.forms.tokens import TokenForm
from cohorts.models import ApiToken
from cohorts.requests import user_of


@never_cache
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """API tokens of the person: issue one (its key is shown once), see the others."""
    user = user_of(request)
    form, key = TokenForm(request.POST or None, user=user), ""
    if request.method == "POST" and form.is_valid():
        # Shown in the answer itself: a redirect would have to keep the key somewhere.
        asked = dict(form.cleaned_data)
        life = timedelta(days=asked.pop("days"))
        _, key = ApiToken.objects.issue(user, life=life, **asked)
        form = TokenForm(user=user)
    context = {
        "form": form,
        "key": key,
        "tokens": ApiToken.objects.visible_to(user).prefetch_related("sites"),
        "now": timezone.now(),
        "sees_to_failures": access.may(user, "operations", "S"),
    }
    return render(request, "cohorts/tokens.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def choose_mails(request: HttpRequest) -> HttpResponse:
    """Whether new data queries, and to whom that concerns failed runs, are told by mail."""
    user, asked = user_of(request), ["query_mails"]
    if access.may(user, "operations", "S"):
        asked.append("failure_mails")
    for name in asked:
        setattr(user, name, name in request.POST)
    user.save(update_fields=asked)
    messages.success(request, _("Kept."))
    return redirect("tokens")


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """End a token at once; it stays in the list, crossed out."""
    token = get_object_or_404(ApiToken.objects.visible_to(user_of(request)), pk=token_id)
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
    messages.success(request, _("The token “%(token)s” no longer works.") % {"token": token.name})
    return redirect("tokens")
