"""Sites of a study, and the people who work for them."""

from __future__ import annotations

import secrets

from cohorts import access
from cohorts.errors import UnusableRequest
from cohorts.models import Membership, Site, Study, User
from cohorts.retrying import transacted
from cohorts.services.rules import hold_to_its_rules


@transacted
def add_site(
    code: str, name: str, *, country: str = "", time_zone: str = "UTC", study: str
) -> Site:
    """A new site of a study. UnusableRequest if a rule forbids it, in the rule's words."""
    found = Study.objects.filter(code=study).first()
    if found is None:
        known = ", ".join(Study.objects.values_list("code", flat=True))
        raise UnusableRequest(f"There is no study {study!r}; the studies are: {known}.")
    site = Site(study=found, code=code, name=name, country=country, time_zone=time_zone)
    hold_to_its_rules(site)
    site.save()
    return site


@transacted
def add_role(username: str, role: str, *, site_code: str = "") -> tuple[Membership, str]:
    """Give somebody a role, from today on; a new account comes with its password, told once.

    The password is "" for an account that was there already.
    """
    if role not in access.ROLES:
        known = ", ".join(f"{code} {word}" for code, word in access.ROLES.items())
        raise UnusableRequest(f"There is no role {role!r}; the roles are: {known}.")
    site = Site.objects.filter(code=site_code).first() if site_code else None
    if site_code and site is None:
        known = ", ".join(Site.objects.values_list("code", flat=True)) or "none yet"
        raise UnusableRequest(f"There is no site {site_code!r}; the sites are: {known}.")
    user, password = User.objects.filter(username=username).first(), ""
    if user is None:
        password = secrets.token_urlsafe(12)
        user = User(username=username)
        user.set_password(password)
        hold_to_its_rules(user)
        user.save()
    membership = Membership(user=user, role=role, site=site)
    hold_to_its_rules(membership)
    membership.save()
    return membership, password
