"""Who works here: roles, invitations, and the page on which an invitation is accepted."""

from __future__ import annotations

from collections.abc import Callable
from smtplib import SMTPException

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.mail import send_mail
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cohorts import access
from cohorts.errors import DomainError
from cohorts.forms.staff import InvitationForm, NewAccountForm
from cohorts.models import Invitation, Membership
from cohorts.requests import user_of
from cohorts.services.accounts import invitations


@never_cache
@login_required
def staff(request: HttpRequest) -> HttpResponse:
    """Everybody who holds a role where the reader may know it, and who is invited."""
    user = user_of(request)
    if not access.may(user, "account", "R"):
        raise PermissionDenied
    form, link = InvitationForm(request.POST or None, by=user), ""
    if request.method == "POST":
        if not access.grants_of(user):
            raise PermissionDenied
        if form.is_valid():
            try:
                link = _invite(request, form)
                form = InvitationForm(None, by=user)
            except DomainError as error:
                form.add_error(None, error.message)
    now, today = timezone.now(), timezone.localdate()
    roles = Membership.objects.visible_to(user).select_related("user", "site")
    context = {
        "form": form,
        "link": link,
        "gives": bool(access.grants_of(user)),
        "roles": [
            (role, role.user_id != user.pk and invitations.may_give(user, role.role, role.site))
            for role in roles.in_force(today).order_by("site__code", "role", "user__username")
        ],
        "invited": [
            (invitation, invitations.may_give(user, invitation.role, invitation.site))
            for invitation in Invitation.objects.visible_to(user).open(now).select_related("site")
        ],
    }
    return render(request, "cohorts/staff.html", context, status=422 if form.errors else 200)


def _invite(request: HttpRequest, form: InvitationForm) -> str:
    """Send the mail; the link itself where no mail leaves this machine or it could not be sent."""
    said = form.cleaned_data
    invitation, key = invitations.invite(
        said["email"], said["role"], said["site"], by=user_of(request)
    )
    link = request.build_absolute_uri(reverse("invitation", args=[key]))
    words = {"invitation": invitation, "link": link, "by": user_of(request)}
    try:
        send_mail(
            render_to_string("cohorts/mail/invitation_subject.txt", words).strip(),
            render_to_string("cohorts/mail/invitation.txt", words),
            None,
            [invitation.email],
        )
    except (SMTPException, OSError) as error:
        messages.error(
            request,
            _("The mail to %(email)s could not be sent (%(error)s). Pass the link on.")
            % {"email": invitation.email, "error": error},
        )
        return link
    if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        return link
    messages.success(
        request,
        _("Invited: %(email)s has a link that holds for seven days.") % {"email": invitation.email},
    )
    return ""


@login_required
@require_POST
def withdraw_invitation(request: HttpRequest, invitation_id: int) -> HttpResponse:
    """Take an open invitation back."""
    user = user_of(request)
    found = get_object_or_404(Invitation.objects.visible_to(user), pk=invitation_id)
    _or_denied(lambda: invitations.withdraw(found.pk, by=user))
    messages.success(
        request, _("The invitation of %(email)s no longer holds.") % {"email": found.email}
    )
    return redirect("staff")


@login_required
@require_POST
def end_role(request: HttpRequest, membership_id: int) -> HttpResponse:
    """End somebody's role; it ends at their next request."""
    user = user_of(request)
    found = get_object_or_404(Membership.objects.visible_to(user), pk=membership_id)
    _or_denied(lambda: invitations.end_role(found.pk, by=user))
    messages.success(request, _("Ended: %(role)s.") % {"role": found})
    return redirect("staff")


def _or_denied(verb: Callable[[], object]) -> None:
    try:
        verb()
    except DomainError as error:
        raise PermissionDenied(error.message) from error


@never_cache
def invitation(request: HttpRequest, key: str) -> HttpResponse:
    """Accept: with a new account, or with the one that is signed in."""
    try:
        found = invitations.of_key(key)
    except invitations.NoSuchInvitation as error:
        return render(request, "cohorts/invitation_over.html", {"why": error.message}, status=404)
    signed_in = request.user if request.user.is_authenticated else None
    form = None if signed_in else NewAccountForm(request.POST or None)
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            invitations.accept(key, form.account if form else user_of(request))
        except DomainError as error:
            if form is None:
                raise PermissionDenied(error.message) from error
            form.add_error(None, error.message)
        else:
            messages.success(request, _("Welcome: you are %(found)s.") % {"found": found})
            return redirect("home")
    context = {"invitation": found, "form": form, "key": key}
    failed = form is not None and form.errors
    return render(request, "cohorts/invitation.html", context, status=422 if failed else 200)
