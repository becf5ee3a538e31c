"""What to do first where nothing is yet: of the whole study, and at a site."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from cohorts import access
from cohorts.admin_site import may_enter
from cohorts.decisions import Waiting
from cohorts.models import ConsentForm, Membership, Participant, Site, User


def first_steps(user: User, own: list[Site]) -> list[Waiting]:
    """Ways to begin, for whoever may take them; nothing once people are enrolled."""
    return [*_of_the_study(user), *(step for site in own for step in _at(site, user))]


def _of_the_study(user: User) -> Iterator[Waiting]:
    if access.may(user, "site", "C") and may_enter(user) and not Site.objects.exists():
        yield Waiting("", _("Add the study's sites"), reverse("admin:cohorts_site_add"))
    alone = not Membership.objects.exclude(user=user).exists()
    if access.may(user, "account", "C") and access.reach(user, "account", "C").everywhere and alone:
        words = _("Invite the people of the sites and of the consortium")
        yield Waiting("", words, reverse("staff"))


def _at(site: Site, user: User) -> Iterator[Waiting]:
    if Participant.objects.filter(site=site).exists():
        return
    others = Membership.objects.filter(site=site).exclude(user=user)
    if access.may(user, "account", "C", site.pk) and not others.exists():
        words = _("Invite the site's coordinator and technicians")
        yield Waiting(site.code, words, reverse("staff"))
    forms = ConsentForm.objects.filter(site=site)
    if access.may(user, "consent", "C", site.pk) and not forms.exists():
        words = _("Register the consent form that people sign here")
        yield Waiting(site.code, words, reverse("consent-forms", args=[site.code]))
    if access.may(user, "participant", "C", site.pk):
        words = _("Enrol the first participant")
        yield Waiting(site.code, words, reverse("enrol", args=[site.code]))
        words = _("Or send a table of those who are enrolled already")
        yield Waiting(site.code, words, reverse("upload", args=[site.code]))
