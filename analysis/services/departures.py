"""What a plan's version changes of the one that was locked before it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from analysis.models import Plan
from cohorts.language.sentences import say


def departure_of(plan: Plan) -> dict[str, Any] | None:
    """The newest locked version before this one, and the settings that differ, also in words."""
    locked = Plan.objects.filter(
        name=plan.name, version__lt=plan.version, locked_at__isnull=False
    ).first()
    if locked is None or locked.locked_at is None:
        return None
    then, now = asdict(locked.parsed), asdict(plan.parsed)
    settings = [name for name in now if now[name] != then[name]]
    named = {
        "version": locked.version,
        "on": f"{locked.locked_at:%Y-%m-%d}",
        "digest": locked.locked_digest[:12],
        "written": f"{plan.created_at:%Y-%m-%d}",
        "settings": ", ".join(settings),
    }
    if settings:
        words = say(
            "Version %(version)s was preregistered on %(on)s, digest %(digest)s. "
            "This version was written on %(written)s and changes: %(settings)s.",
            **named,
        )
    else:
        words = say(
            "Version %(version)s was preregistered on %(on)s, digest %(digest)s. "
            "This version, written on %(written)s, has the same settings.",
            **named,
        )
    return {
        "version": locked.version,
        "locked_at": locked.locked_at.isoformat(),
        "digest": locked.locked_digest,
        "settings": settings,
        "words": words,
    }
