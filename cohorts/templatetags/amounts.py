"""Amounts on the portal's pages: grouped by thousands, and as a share with its bar."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

register = template.Library()

# The codes of `cohorts.preanalytics`, as a heading over tubes.
FLAGS = {
    "late_spin": _("Tubes spun over 2 hours after collection"),
    "haemolysed": _("Haemolysed tubes"),
    "light": _("Tubes not protected from light"),
    "thawed_often": _("Tubes thawed more than twice"),
}


@register.filter
def number(value: float | None) -> str:
    """A whole number as the reader's language groups it."""
    return "" if value is None else number_format(value, use_l10n=True, force_grouping=True)


@register.simple_tag
def share(part: int, whole: int) -> SafeString:
    """A bar and a percentage; nothing where there is nothing to share."""
    if not whole:
        return SafeString("")
    percent = 100 * part / whole
    words = "< 1 %" if 0 < percent < 1 else "> 99 %" if 99 < percent < 100 else f"{percent:.0f} %"
    return format_html(
        '<svg viewBox="0 0 100 8" class="bar" aria-hidden="true" preserveAspectRatio="none">'
        '<rect class="bar-all" width="100" height="8"/>'
        '<rect class="bar-part" width="{}" height="8"/></svg><span>{}</span>',
        round(percent, 1),
        words,
    )


@register.simple_tag
def flag_words(code: str) -> str:
    """A departure from good handling, in words."""
    return gettext(FLAGS[code])
