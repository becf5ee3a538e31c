"""Names that features once had, and what they lead to now: old results stay readable."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from cohorts.models import Feature, FeatureDecision


def current_names() -> dict[str, str]:
    """Every name that has been given up, with today's name of what it stood for."""
    renamed = FeatureDecision.objects.filter(kind=FeatureDecision.Kind.RENAME).select_related(
        "feature__merged_into"
    )
    names = {each.old_name: (each.feature.merged_into or each.feature).name for each in renamed}
    merged = Feature.objects.exclude(merged_into=None)
    names |= dict(merged.values_list("name", "merged_into__name"))
    in_use = Feature.objects.filter(merged_into=None, name__in=names)
    for name in in_use.values_list("name", flat=True):
        del names[name]
    return names


def once_named(features: QuerySet[Feature], name: str) -> QuerySet[Feature]:
    """The feature of that name, today's or one that was given up."""
    renamed = FeatureDecision.objects.filter(
        kind=FeatureDecision.Kind.RENAME, old_name__iexact=name
    )
    return features.filter(
        Q(name__iexact=name) | Q(merged__name__iexact=name) | Q(pk__in=renamed.values("feature"))
    ).distinct()
