"""The words of the plots' script, which has no gettext of its own; a test keeps the two alike."""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

WORDS = (
    _("Hedges g (cases less controls)"),
    _("%(n)s sites"),
    _("%(low)s to %(high)s"),
    _("False positive rate"),
    _("True positive rate"),
    _("%(found)s of cases found at %(false)s false alarms"),
    _("Mean score"),
    _("Share of cases"),
    _("score %(score)s, cases %(cases)s"),
    _("Predicted"),
    _("Recorded"),
    _("predicted %(predicted)s, recorded %(recorded)s"),
    _("Share of variance"),
    _("%(share)s of variance"),
    _("before"),
    _("after"),
    _("%(title)s. The table below has the numbers."),
    _("Save %(title)s as %(kind)s"),
)


def in_this_language() -> dict[str, str]:
    """English -> the reader's, for the page to carry."""
    return {text: gettext(text) for text in WORDS}
