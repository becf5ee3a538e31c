"""Settings that one person wrote are released for the first time by another (rule D11)."""

from __future__ import annotations

from analysis.models import Plan, Run


def is_due(plan: Plan) -> bool:
    """Whether nobody but its writer has stood for these settings yet.

    Settings that came with the platform or a study's description have no writer: the operator, who
    is above every account, set them. An equal version, such as one that is followed again, goes by
    what was approved before.
    """
    if plan.written_by_id is None:
        return False
    equal = Plan.objects.filter(name=plan.name, study=plan.study_id, data=plan.data)
    if equal.filter(written_by=None).exists():
        return False
    return not Run.objects.filter(plan__in=equal, released_by__isnull=False).exists()
