"""Features renamed, merged and split; what an old name meant stays on record."""

from __future__ import annotations

from collections.abc import Collection

from cohorts import access
from cohorts.errors import NotAllowed, RefusedDecision, UnusableRequest
from cohorts.ingest.facts import normalise
from cohorts.language.sentences import say
from cohorts.models import Feature, FeatureAlias, FeatureDecision, Site, User
from cohorts.retrying import transacted
from cohorts.services.features import feature_columns
from cohorts.services.features.feature_columns import columns_of, hold_sites, keep_names, lead_to

Kind = FeatureDecision.Kind


@transacted
def rename(feature_id: int, *, name: str, reason: str, by: User) -> Feature:
    """Call a feature anew; the old name goes on leading to it."""
    feature = _held(feature_id, by)
    old, name = feature.name, name.strip()
    refuse_taken_name(name, but=feature)
    FeatureAlias.objects.update_or_create(site=None, name=old, defaults={"feature": feature})
    FeatureAlias.objects.filter(site=None, name=name).delete()
    feature.name = name
    feature.full_clean(validate_constraints=False)
    feature.save(update_fields=["name"])
    note(Kind.RENAME, feature, reason=reason, by=by, old_name=old)
    feature_columns.record_change(None, n_columns=0, cause=f"{old} is called {name}", by=by)
    return feature


@transacted
def merge(feature_id: int, *, into: int, reason: str, by: User) -> Feature:
    """Two features are one: the columns and names of the first lead to the second."""
    feature, kept = _held(feature_id, by), _held(into, by)
    if feature == kept:
        raise UnusableRequest(say("A feature cannot be merged into itself: name the other one."))
    n = merge_into(feature, kept)
    note(Kind.MERGE, feature, into=kept, reason=reason, by=by, n_columns=n)
    cause = say("%(feature)s is one with %(kept)s", feature=feature.name, kept=kept.name)
    feature_columns.record_change(None, n_columns=n, cause=cause, by=by)
    return kept


def merge_into(feature: Feature, kept: Feature) -> int:
    """Columns at every site, names and earlier merges follow; the row stays for its history."""
    n = lead_to(kept, columns_of(feature, hold_sites(Site.objects.all())))
    FeatureAlias.objects.filter(feature=feature).update(feature=kept)
    Feature.objects.filter(merged_into=feature).update(merged_into=kept)
    feature.merged_into = kept
    feature.save(update_fields=["merged_into"])
    return n


@transacted
def split(feature_id: int, *, name: str, sites: Collection[str], reason: str, by: User) -> Feature:
    """What these sites sent under a feature is another one, with a name of its own."""
    feature, name = _held(feature_id, by), name.strip()
    refuse_taken_name(name)
    held = hold_sites(Site.objects.filter(code__in=sites))
    columns = list(columns_of(feature, held))
    unknown = sorted(set(sites) - {column.batch.site.code for column in columns})
    if unknown or not columns:
        raise RefusedDecision(
            say(
                "No accepted batch of %(unknown)s has %(feature)s: name sites that send it.",
                unknown=", ".join(unknown) or "a site",
                feature=feature.name,
            )
        )
    part = Feature(
        name=name,
        canonical_unit=feature.canonical_unit,
        molar_mass=feature.molar_mass,
        chemical_class=feature.chemical_class,
        kind=feature.kind,
        reviewed=True,
    )
    part.full_clean()
    part.save()
    n = lead_to(part, columns)
    keep_names(part, columns)
    note(Kind.SPLIT, feature, into=part, reason=reason, by=by, n_columns=n)
    cause = say("%(name)s is split from %(feature)s", name=name, feature=feature.name)
    feature_columns.record_change(None, n_columns=n, cause=cause, by=by)
    return part


def note(
    kind: FeatureDecision.Kind,
    feature: Feature,
    *,
    reason: str,
    by: User,
    into: Feature | None = None,
    site: Site | None = None,
    old_name: str = "",
    n_columns: int = 0,
) -> FeatureDecision:
    """Put the decision on record."""
    made = FeatureDecision(
        kind=kind,
        feature=feature,
        into=into,
        site=site,
        old_name=old_name or feature.name,
        new_name=(into or feature).name,
        n_columns=n_columns,
        reason=reason.strip()[:300],
        decided_by=by,
    )
    made.full_clean(exclude={"decided_at"})
    made.save()
    return made


def refuse_taken_name(name: str, *, but: Feature | None = None) -> None:
    """Raises RefusedDecision for a name that leads to another feature already."""
    if not name:
        raise UnusableRequest(say("Give the new name."))
    wanted = normalise(name)
    for taken in Feature.objects.all():
        if normalise(taken.name) == wanted and taken != but:
            raise RefusedDecision(
                say("%(taken)s is a feature already: merge the two, or choose.", taken=taken.name)
            )
    for alias in FeatureAlias.objects.filter(site=None).select_related("feature"):
        if normalise(alias.name) == wanted and alias.feature != but:
            raise RefusedDecision(
                say(
                    "%(name)s is another name of %(feature)s already.",
                    name=name,
                    feature=alias.feature.name,
                )
            )


def _held(feature_id: int, by: User) -> Feature:
    if not access.may(by, "dictionary", "U"):
        raise NotAllowed(say("The consortium's data managers keep the dictionary."))
    feature: Feature = Feature.objects.select_for_update(of=("self",)).get(pk=feature_id)
    if feature.merged_into_id is not None:
        raise RefusedDecision(
            say(
                "%(feature)s was merged into %(merged_into)s: decide on that one.",
                feature=feature.name,
                merged_into=feature.merged_into,
            )
        )
    return feature
