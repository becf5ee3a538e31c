"""A change of the records in words, as the reason of a run or of a run's being stale."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from cohorts.language.sentences import Sentence
from cohorts.models import Change

# A sentence for each kind: words stand otherwise around a site's code in other languages.
FROM_A_SITE = {
    "participants": _("participants from %(site)s: %(cause)s"),
    "consent": _("consent from %(site)s: %(cause)s"),
    "withdrawal": _("withdrawal from %(site)s: %(cause)s"),
    "erasure": _("erasure from %(site)s: %(cause)s"),
    "samples": _("samples from %(site)s: %(cause)s"),
    "assessments": _("assessments from %(site)s: %(cause)s"),
    "assays": _("assays from %(site)s: %(cause)s"),
    "dictionary": _("dictionary from %(site)s: %(cause)s"),
}


def in_words(change: Change) -> str:
    """Such as: assays from FUK: table plasma.csv."""
    if change.site is None:
        return f"{change.kind}: {change.cause}"
    template = FROM_A_SITE.get(change.kind)
    if template is None:
        return f"{change.kind} from {change.site.code}: {change.cause}"
    return Sentence(template, {"site": change.site.code, "cause": change.cause})
