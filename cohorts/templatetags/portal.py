"""Tags of every page: who is here, and the words that carry a state."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext

from cohorts import access, cut_offs
from cohorts.admin_site import may_enter
from cohorts.language import vocabulary
from cohorts.language.states import STATES
from cohorts.language.told import told
from cohorts.models import Destruction, Site, User
from cohorts.models.consent import SCOPES
from cohorts.requests import zone_of

register = template.Library()


# The first that is found: each browser also names those that it came from.
BROWSERS = (
    *(("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("FxiOS", "Firefox")),
    *(("Chrome", "Chrome"), ("CriOS", "Chrome"), ("Safari", "Safari")),
)
SYSTEMS = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows")),
    *(("Mac OS", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)


@register.filter
def browser(user_agent: str) -> str:
    """Which browser and which system; what it says of itself where neither is known."""
    name = next((name for sign, name in BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    if name and system:
        return gettext("%(browser)s on %(system)s") % {"browser": name, "system": system}
    return name or system or user_agent[:80]


@register.filter
def clock(site: Any) -> tzinfo:
    """By whose time a page is written: its site's, or UTC where it is of no site."""
    return zone_of(site) if isinstance(site, Site) else UTC


@register.filter
def in_their_order(scopes: list[str]) -> list[str]:
    """What was agreed to, in the order in which the forms ask."""
    return [scope for scope in SCOPES if scope in scopes]


@register.inclusion_tag("word.html")
def word(state: str) -> dict[str, str]:
    """A state as icon and text in its tone."""
    tone, icon, text = STATES.get(state, ("mute", "info", state.replace("_", " ")))
    return {"tone": tone, "icon": f"icons/{icon}.svg", "text": gettext(text)}


@register.filter
def tone(state: str) -> str:
    """The class of a state's colours, for what is larger than its word."""
    return STATES.get(state, ("mute", "info", ""))[0]


@register.simple_tag
def places_of(user: User) -> list[Site]:
    """The sites at which the person holds a role; none for consortium roles, which see all."""
    return list(Site.objects.filter(memberships__in=_standing(user)).distinct().order_by("code"))


@register.simple_tag
def roles_in_words(user: User) -> str:
    """Such as: site coordinator (FUK), consortium analyst."""
    return ", ".join(
        f"{membership.get_role_display()}"
        + (f" ({membership.site.code})" if membership.site else "")
        for membership in _standing(user).select_related("site")
    )


@register.simple_tag
def may(user: User, resource: str, verb: str) -> bool:
    """Whether the person may do that anywhere; for links, never for protection."""
    return access.may(user, resource, verb)


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], *prefixes: str) -> str:
    """``page`` in the navigation's ``aria-current`` where the address begins so."""
    request = context.get("request")
    path = request.path if isinstance(request, HttpRequest) else ""
    return "page" if any(path == p or (p != "/" and path.startswith(p)) for p in prefixes) else ""


def _standing(user: User) -> Any:
    return user.memberships.in_force(timezone.localdate())


@register.filter
def said(text: Any, kept: Any = None) -> str:
    """A sentence, or a text and what was stored of it, in the language of the page."""
    return told(text, kept)


@register.filter
def tube_at(order: Destruction, site: Site) -> str:
    """The code of the tube to destroy, as it is known at that site."""
    return order.tube_at(site)


@register.filter
def begun(sentence: str) -> str:
    """Begun with a capital letter, unless its first word is a name: of a file, or of a column."""
    first = str(sentence).partition(" ")[0]
    return capfirst(sentence) if first.rstrip(",;.").isalpha() else str(sentence)


@register.filter
def moment(iso: str) -> str:
    """A kept moment, ISO 8601 in UTC, as the language of the page writes it."""
    return date_format(datetime.fromisoformat(iso), "DATETIME_FORMAT") if iso else ""


@register.filter
def cut_off_in_words(declared: Any) -> str:
    """An instrument's cut-off of one language as a person says it."""
    return cut_offs.words_of(declared)


@register.filter
def is_list(value: Any) -> bool:
    """Whether a recorded value is several."""
    return isinstance(value, list)


@register.filter
def known_word(value: Any) -> Any:
    """A recorded value in words where it is one of a list; a code or a note as it was written."""
    if value in vocabulary.WORDS:
        return vocabulary.in_words(value)
    if value in STATES:
        return gettext(STATES[value][2])
    return gettext(value) if value in vocabulary.VALUES else value


@register.filter
def in_words(name: str) -> str:
    """A field's or group's name as a person writes it: ``zero_means`` -> A zero means."""
    return vocabulary.in_words(str(name))


@register.filter
def styled(field: Any) -> Any:
    """A form field of another package in the portal's look."""
    if field.widget_type != "checkbox":
        field.field.widget.attrs.setdefault("class", "form-control")
    return field


@register.filter
def is_staff_here(user: User) -> bool:
    """Whether the admin opens for this person."""
    return may_enter(user)
