"""The review list: names that tables brought and no rule leads to a feature. People decide."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet

from cohorts import access
from cohorts.errors import NotAllowed, RefusedDecision
from cohorts.language.sentences import say
from cohorts.models import AssayBatch, BatchFeature, Feature, FeatureAlias, FeatureDecision, Site
from cohorts.models import User as Person
from cohorts.retrying import transacted
from cohorts.services.features import feature_columns
from cohorts.services.features.dictionary import merge_into, note, refuse_taken_name
from cohorts.services.features.feature_columns import columns_of, hold_sites, keep_names, lead_to

Kind = FeatureDecision.Kind
DESCRIBED = ("hmdb", "chebi", "inchikey", "canonical_unit", "chemical_class", "molar_mass")
NEAR = 0.6  # share of matching letters from which a name is shown as a suggestion


@dataclass(frozen=True)
class WaitingName:
    """A name on the list: who sends it in which unit, and the nearest names, for people only."""

    feature: Feature
    sent: tuple[tuple[str, str, str, int], ...]  # site, name as sent, unit, batches
    nearest: tuple[str, ...] = ()


def waiting(user: Person) -> QuerySet[Feature]:
    """Names that wait for a decision and that this person may read, by name."""
    columns = _columns(user).filter(feature=OuterRef("pk"))
    return Feature.objects.waiting().filter(Exists(columns)).order_by("name")


def described(features: Sequence[Feature], user: Person) -> list[WaitingName]:
    """A page of the list, with what each name could mean."""
    sent: dict[int, list[tuple[str, str, str, int]]] = {}
    found = _columns(user).filter(feature__in=features).order_by("batch__site__code", "source_name")
    names = ("feature_id", "batch__site__code", "source_name", "unit")
    for pk, site, name, unit, n in found.values_list(*names).annotate(n=Count("batch")):
        sent.setdefault(pk, []).append((site, name, unit, n))
    known = _known_names()
    return [
        WaitingName(each, tuple(sent.get(each.pk, ())), _nearest(each.name, known))
        for each in features
    ]


@transacted
def decide_alias(
    feature_id: int, *, of: int, site: Site | None, reason: str, by: Person
) -> Feature:
    """The name is another name of a known feature, at one site or at all.

    What is stored leads to that feature from now on, and the next table too.
    """
    _refuse_others(by, site)
    sites = Site.objects.filter(pk=site.pk) if site else Site.objects.all()
    held = hold_sites(sites)
    name, known = _waiting(feature_id), _known(of)
    columns = list(columns_of(name, held))
    if not columns:
        raise RefusedDecision(
            say("No accepted batch there has %(name)s: nothing is to be decided.", name=name.name)
        )
    if site is None:
        n = merge_into(name, known)
    else:
        n = lead_to(known, columns)
        keep_names(known, columns)
    note(Kind.ALIAS, name, into=known, site=site, reason=reason, by=by, n_columns=n)
    cause = f"{name.name} is {known.name}"
    feature_columns.record_change([site] if site else None, n_columns=n, cause=cause, by=by)
    return known


@transacted
def decide_new(
    feature_id: int, *, name: str, facts: Mapping[str, object], reason: str, by: Person
) -> Feature:
    """The name is a feature of its own; what is known of it goes into the dictionary."""
    _refuse_others(by, None)
    held = hold_sites(Site.objects.all())
    feature = _waiting(feature_id)
    old, wanted = feature.name, name.strip() or feature.name
    if wanted != old:
        refuse_taken_name(wanted, but=feature)
        FeatureAlias.objects.get_or_create(site=None, name=old, defaults={"feature": feature})
    feature.name, feature.reviewed, feature.kind = wanted, True, "concentration"
    for column in DESCRIBED:
        if facts.get(column):
            setattr(feature, column, facts[column])
    feature.full_clean()
    feature.save()
    n = lead_to(feature, columns_of(feature, held))
    note(Kind.NEW, feature, reason=reason, by=by, old_name=old, n_columns=n)
    feature_columns.record_change(None, n_columns=n, cause=f"{wanted} is a feature", by=by)
    return feature


@transacted
def ignore(feature_id: int, *, reason: str, by: Person) -> Feature:
    """No analysis reads what stands under this name; the values stay as they were sent."""
    _refuse_others(by, None)
    held = hold_sites(Site.objects.all())
    feature = _waiting(feature_id)
    feature.ignored = True
    feature.save(update_fields=["ignored"])
    n = columns_of(feature, held).count()
    note(Kind.IGNORE, feature, reason=reason, by=by, n_columns=n)
    cause = say("%(feature)s is not analysed", feature=feature.name)
    feature_columns.record_change(None, n_columns=n, cause=cause, by=by)
    return feature


def _columns(user: Person) -> QuerySet[BatchFeature]:
    where = access.reach(user, "source_name")
    columns: QuerySet[BatchFeature] = BatchFeature.objects.filter(
        batch__status=AssayBatch.Status.ACCEPTED
    )
    return columns if where.everywhere else columns.filter(batch__site__in=where.site_ids)


def _known_names() -> dict[str, str]:
    reviewed = Feature.objects.filter(reviewed=True, merged_into=None)
    names = {name.casefold(): name for name in reviewed.values_list("name", flat=True)}
    aliases = FeatureAlias.objects.filter(site=None, feature__in=reviewed)
    for alias, name in aliases.values_list("name", "feature__name"):
        names.setdefault(alias.casefold(), name)
    return names


def _nearest(name: str, known: Mapping[str, str]) -> tuple[str, ...]:
    close: Iterable[str] = difflib.get_close_matches(name.casefold(), known, n=3, cutoff=NEAR)
    return tuple(dict.fromkeys(known[each] for each in close))


def _refuse_others(by: Person, site: Site | None) -> None:
    if access.may(by, "source_name", "A"):
        return
    if site is None:
        raise NotAllowed(say("The consortium's data managers decide for every site."))
    if not access.may(by, "source_name", "C", site.pk):
        raise NotAllowed(say("Your role at %(site)s does not decide on names.", site=site.code))


def _waiting(feature_id: int) -> Feature:
    feature: Feature = Feature.objects.select_for_update(of=("self",)).get(pk=feature_id)
    if feature.reviewed or feature.ignored or feature.merged_into_id is not None:
        raise RefusedDecision(say("%(feature)s has been decided on already.", feature=feature.name))
    return feature


def _known(feature_id: int) -> Feature:
    feature: Feature = Feature.objects.get(pk=feature_id)
    if not feature.reviewed or feature.merged_into_id is not None:
        raise RefusedDecision(
            say(
                "%(feature)s is itself no reviewed feature: choose one of the dictionary.",
                feature=feature.name,
            )
        )
    return feature
