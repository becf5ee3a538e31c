"""Which features the columns of a study's tables are, held against the dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cohorts.ingest.assays import AssayColumn
from cohorts.ingest.facts import FeatureFacts, FeatureIndex, SiteFacts, normalise
from cohorts.ingest.reading import Table
from cohorts.ingest.study.description import StudyDescription
from cohorts.ingest.study.study_assays import AssayTable, Notebook
from cohorts.ingest.study.study_features import Identity, KnownFeatures, identify
from cohorts.models import Feature, FeatureAlias, Site
from cohorts.services.features.new_names import hold_names

Identities = Mapping[tuple[str, str], Identity]


def identities(
    description: StudyDescription,
    tables: Mapping[str, Table],
    sites: Mapping[str, Site],
    notes: Notebook,
) -> Identities:
    """(site, column) -> feature; empty where the study has no features table."""
    entry = description.features
    if entry is None:
        return {}
    findings = notes.of(entry.file)
    found = identify(tables[entry.file], entry, description.sites, _known(sites), findings)
    named = {identity.name for identity in found.values()} - {""}
    n_new = len(named) - Feature.objects.filter(name__in=named).count()
    if n_new:
        findings.warn(
            None, None, "new_feature", f"New features, which go to the review list: {n_new}."
        )
    return found


def _known(sites: Mapping[str, Site]) -> KnownFeatures:
    by_hmdb: dict[str, list[str]] = {}
    # One metabolite may have a ratio or an enzyme beside it: the concentration is what HMDB names.
    features = Feature.objects.exclude(hmdb="").values_list("hmdb", "name", "kind")
    for hmdb, name, kind in sorted(features, key=lambda found: found[2] != "concentration"):
        if kind == "concentration" or not by_hmdb.get(hmdb):
            by_hmdb.setdefault(hmdb, []).append(name)
    everybody = FeatureAlias.objects.filter(site=None).values_list("name", flat=True)
    own = FeatureAlias.objects.filter(site__in=sites.values())
    return KnownFeatures(
        by_hmdb={hmdb: names[0] for hmdb, names in by_hmdb.items()},
        names=frozenset(
            normalise(name)
            for name in [*Feature.objects.values_list("name", flat=True), *everybody]
        ),
        aliases={
            (site, normalise(name)): feature
            for site, name, feature in own.values_list("site__code", "name", "feature__name")
        },
    )


def knowing(facts: SiteFacts, found: Identities) -> SiteFacts:
    """The facts of a site whose index also finds the study's columns."""
    index = dict(facts.features.by_name)
    for (site, column), identity in found.items():
        if site == facts.site and identity.name:
            known = facts.features.find(identity.name)
            index[normalise(column)] = known or FeatureFacts(identity.name)
    # Where the study has a table of its features, that table says what each column is.
    by_identifier = {} if found else facts.features.by_identifier
    return replace(facts, features=FeatureIndex(index, by_identifier))


def with_units(part: AssayTable, found: Identities) -> AssayTable:
    """The table with each column's own unit in its header, as the check reads units."""
    headers = {}
    for column in part.table.columns:
        identity = found.get((part.site, column))
        headers[column] = f"{column} [{identity.unit}]" if identity and identity.unit else column
    frame = part.table.frame.rename(columns=headers)
    return replace(
        part,
        table=Table(frame),
        headers={new: old for old, new in headers.items() if new != old},
    )


def as_source(column: AssayColumn, site: Site, found: Identities) -> AssayColumn:
    """The column under the name that the site's features table gives it."""
    identity = found.get((site.code, column.source_name))
    return column if identity is None else replace(column, source_name=identity.source_name)


def open_features(found: Identities, columns: Sequence[AssayColumn]) -> None:
    """Add the features that the tables bring and the dictionary lacks; each waits for review."""
    needed = {column.feature.name for column in columns if column.feature}
    hold_names()
    known = set(Feature.objects.filter(name__in=needed).values_list("name", flat=True))
    hmdb = {identity.name: identity.hmdb for identity in found.values()}
    Feature.objects.bulk_create(
        Feature(name=name, hmdb=hmdb.get(name, ""), kind="unknown", reviewed=False)
        for name in sorted(needed - known, key=normalise)
    )


def open_aliases(found: Identities, sites: Mapping[str, Site]) -> None:
    """Keep each site's column names, so that its next table leads to the same features."""
    features = dict(
        Feature.objects.filter(name__in={i.name for i in found.values()}).values_list("name", "pk")
    )
    FeatureAlias.objects.bulk_create(
        (
            FeatureAlias(feature_id=features[identity.name], site=sites[site], name=column)
            for (site, column), identity in found.items()
            if identity.name in features and normalise(column) != normalise(identity.name)
        ),
        ignore_conflicts=True,
    )
