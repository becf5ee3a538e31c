"""A table's names lead to features by identifier, then by name; people decide on the rest."""

from __future__ import annotations

import pytest

from cohorts.errors import NotAllowed, RefusedDecision, UnusableRequest
from cohorts.ingest.facts import FeatureFacts, FeatureIndex, identifiers_in
from cohorts.models import (
    AssayRow,
    BatchFeature,
    Change,
    DictionaryEdit,
    Feature,
    FeatureAlias,
    FeatureDecision,
)
from cohorts.services import reference, uploads
from cohorts.services.features import dictionary, dictionary_edits, name_review
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import ConsentFactory, SampleFactory, SiteFactory, user_with

PLASMA = {"platform": "LC-MS", "matrix": "plasma"}
ARGININE, ORNITHINE = FeatureFacts("arginine"), FeatureFacts("ornithine")
INDEX = FeatureIndex(
    {"arginine": ARGININE, "ornithine": ORNITHINE},
    {"HMDB0000517": ARGININE, "CHEBI:16467": ARGININE, "HMDB0000214": ORNITHINE},
)


@pytest.mark.parametrize(
    "name",
    ["HMDB0000517", "hmdb00517", "Arg X (HMDB0000517)", "CHEBI:16467", "arginine (HMDB0000517)"],
)
def test_an_identifier_in_the_name_comes_first(name):
    assert INDEX.find(name) is ARGININE


@pytest.mark.parametrize(
    "name",
    ["arginine (HMDB9999999)", "arginin", "ornithine (HMDB0000517)", "HMDB0000517 CHEBI:1 x "],
)
def test_what_is_not_certain_is_not_matched(name):
    assert INDEX.find(name) is (ARGININE if "CHEBI:1 " in name else None)


def test_identifiers_are_read_in_one_spelling():
    assert identifiers_in("chebi_16467|ODKSFYDXXFIFQN-BYPYZUCNSA-N") == (
        "CHEBI:16467",
        "ODKSFYDXXFIFQN-BYPYZUCNSA-N",
    )


pytestmark = pytest.mark.django_db


def send(site, header, values="82.5,11", label="T1"):
    person = ConsentFactory(participant__site=site).participant
    tube = SampleFactory(participant=person, code=f"{site.code}{label}")
    content = f"sample,{header}\n{tube.code},{values}\n".encode()
    table = SentTable("assays", content, "a.csv", PLASMA)
    return uploads.submit(site, table, by=None)


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


@pytest.fixture
def waiting(site):
    """A site has sent a name that nobody knows."""
    send(site, "Peak 17 [mg/dL],ornithine [umol/L]")
    return Feature.objects.get(name="Peak 17")


def column(name="Peak 17"):
    return BatchFeature.objects.get(source_name=name)


def known(name):
    return Feature.objects.get(name=name)


def test_a_column_head_with_an_identifier_is_that_feature(site):
    send(site, "Cpd 4 (HMDB00517) [umol/L],Orn [CHEBI:15729]")
    names = BatchFeature.objects.values_list("feature__name", "unit")
    assert list(names) == [("arginine", "umol/L"), ("ornithine", "relative")]


def test_a_name_that_contradicts_its_identifier_is_refused(site):
    upload = send(site, "ornithine (HMDB0000517) [umol/L],citrulline [umol/L]")
    texts = [fault["text"] for fault in upload.report["faults"]]
    assert any("names both arginine and ornithine: correct" in text for text in texts)


def test_a_decision_leads_stored_rows_to_their_feature_and_the_next_table_too(waiting, site):
    person, before = user_with("SD", site), AssayRow.objects.get().packed_values
    done = {"of": known("arginine").pk, "site": site, "reason": "their method sheet", "by": person}
    name_review.decide_alias(waiting.pk, **done)
    moved = column()
    assert (moved.feature.name, AssayRow.objects.get().packed_values) == ("arginine", before)
    assert moved.factor == pytest.approx(57.404, rel=1e-4)
    change = Change.objects.latest("pk")
    assert (change.kind, change.site, change.counts) == ("dictionary", site, {"columns": 1})
    assert not name_review.waiting(person).exists()
    send(site, "peak_17 [mg/dL],citrulline [umol/L]", label="T2")
    assert column("peak_17").feature.name == "arginine"


def test_one_sites_decision_says_nothing_of_anothers_name(waiting, site):
    other = SiteFactory(code="OSA")
    send(other, "Peak 17 [mg/dL],citrulline [umol/L]")
    done = {"of": known("arginine").pk, "site": site, "reason": "x"}
    name_review.decide_alias(waiting.pk, **done, by=user_with("SD", site))
    assert column_of(other).feature == waiting
    seen = name_review.described([waiting], user_with("SD", other))[0].sent
    assert seen == (("OSA", "Peak 17", "mg/dL", 1),)


def column_of(site):
    return BatchFeature.objects.get(batch__site=site, source_name="Peak 17")


def test_a_data_manager_decides_for_every_site(waiting, site):
    boss = user_with("CD")
    reason = {"reason": "same compound", "by": boss}
    name_review.decide_alias(waiting.pk, of=known("arginine").pk, site=None, **reason)
    other = SiteFactory(code="OSA")
    send(other, "Peak 17 [mg/dL],citrulline [umol/L]")
    assert column_of(other).feature.name == "arginine"


def test_a_new_feature_gets_its_unit_and_its_columns_a_factor(waiting):
    facts = {"canonical_unit": "umol/L", "molar_mass": 100.0}
    boss = user_with("CD")
    name_review.decide_new(waiting.pk, name="ergothioneine x", facts=facts, reason="r", by=boss)
    assert column().feature.reviewed
    assert column().factor == pytest.approx(100.0)
    assert FeatureDecision.objects.get().old_name == "Peak 17"


def test_an_ignored_name_is_stored_and_said(waiting, site):
    name_review.ignore(waiting.pk, reason="internal standard", by=user_with("CD"))
    upload = send(site, "Peak 17 [mg/dL],citrulline [umol/L]", label="T2")
    texts = [said["text"] for said in upload.report["warnings"]]
    assert any("stored, not analysed, as the data managers decided (1):" in text for text in texts)


def test_a_name_is_suggested_and_never_taken(site):
    send(site, "argininee [umol/L],ornithine [umol/L]")
    boss = user_with("CD")
    shown = name_review.described(list(name_review.waiting(boss)), boss)[0]
    assert "arginine" in shown.nearest
    assert column("argininee").feature.name == "argininee"


@pytest.mark.parametrize(
    ("of", "words"),
    [("ornithine", "has ornithine already, in its column"), ("arginase activity", "Batch")],
)
def test_what_cannot_be_is_refused_with_the_batch_named(waiting, site, of, words):
    done = {"of": known(of).pk, "site": site, "reason": "x", "by": user_with("SD", site)}
    with pytest.raises(RefusedDecision, match=words):
        name_review.decide_alias(waiting.pk, **done)


def test_who_may_not_decide_is_told(waiting, site):
    done = {"of": known("arginine").pk, "reason": "x"}
    with pytest.raises(NotAllowed, match="for every site"):
        name_review.decide_alias(waiting.pk, **done, site=None, by=user_with("SD", site))
    elsewhere = user_with("SD", SiteFactory(code="OSA"))
    with pytest.raises(NotAllowed, match="does not decide on names"):
        name_review.decide_alias(waiting.pk, **done, site=site, by=elsewhere)


def test_a_name_is_decided_on_once(waiting):
    name_review.ignore(waiting.pk, reason="x", by=user_with("CD"))
    with pytest.raises(RefusedDecision, match="decided on already"):
        name_review.ignore(waiting.pk, reason="x", by=user_with("CD"))


# --- renames, merges, splits


def test_an_old_name_goes_on_leading_to_a_renamed_feature(site, api):
    boss = user_with("CD")
    api.force_authenticate(boss)
    arginine = known("arginine")
    dictionary.rename(arginine.pk, name="L-arginine (free)", reason="clearer", by=boss)
    send(site, "arginine [umol/L],ornithine [umol/L]")
    assert column("arginine").feature == arginine
    found = api.get("/api/v1/features?name=arginine").json()["results"]
    assert [row["name"] for row in found] == ["L-arginine (free)"]
    told = api.get(f"/api/v1/features/{arginine.pk}/lineage").json()
    assert (told[0]["kind"], told[0]["old_name"]) == ("rename", "arginine")


def test_a_merge_brings_columns_names_and_units_along(site):
    send(site, "HDL-X [mg/dL],ornithine [umol/L]")
    boss, twin = user_with("CD"), known("HDL-X")
    dictionary.merge(twin.pk, into=known("citrulline").pk, reason="one compound", by=boss)
    assert column("HDL-X").feature.name == "citrulline"
    send(SiteFactory(code="OSA"), "HDL-X [mg/dL],ornithine [umol/L]")
    assert not BatchFeature.objects.filter(feature=twin).exists()
    with pytest.raises(RefusedDecision, match="was merged into citrulline"):
        dictionary.rename(twin.pk, name="y", reason="x", by=boss)


def test_a_split_takes_the_named_sites_columns_only(site):
    other = SiteFactory(code="OSA")
    for each in (site, other):
        send(each, "arginine [umol/L],ornithine [umol/L]")
    boss = user_with("CD")
    part = dictionary.split(
        known("arginine").pk, name="arginine, total", sites=["OSA"], reason="hydrolysed", by=boss
    )
    by_site = dict(
        BatchFeature.objects.filter(source_name="arginine").values_list(
            "batch__site__code", "feature__name"
        )
    )
    assert by_site == {"FUK": "arginine", "OSA": "arginine, total"}
    assert FeatureAlias.objects.get(site=other).feature == part
    with pytest.raises(RefusedDecision, match="No accepted batch of NAG"):
        dictionary.split(known("arginine").pk, name="z", sites=["NAG"], reason="x", by=boss)


def test_a_taken_name_and_a_merge_into_itself_are_refused(reference):
    boss, arginine = user_with("CD"), known("arginine")
    with pytest.raises(RefusedDecision, match="is a feature already"):
        dictionary.rename(arginine.pk, name="Ornithine", reason="x", by=boss)
    with pytest.raises(UnusableRequest, match="into itself"):
        dictionary.merge(arginine.pk, into=arginine.pk, reason="x", by=boss)
    sites_own = user_with("SD", SiteFactory())
    with pytest.raises(NotAllowed, match="data managers keep the dictionary"):
        dictionary.rename(arginine.pk, name="x", reason="x", by=sites_own)


# --- the pages


def test_a_sites_data_manager_decides_on_the_page_and_reads_the_refusal(waiting, site, browse):
    page = browse(user_with("SD", site))
    assert "Peak 17" in page.get("/features/review/").content.decode()
    sent = {"verb": "decide", "decide-decision": "alias", "decide-site": "FUK"}
    sent |= {"decide-reason": "method sheet"}
    refused = page.post(f"/features/{waiting.pk}/", sent)
    assert (refused.status_code, column().feature) == (422, waiting)
    assert "Choose the feature that is meant." in refused.content.decode()
    assert (
        page.post(f"/features/{waiting.pk}/", sent | {"decide-of": "arginine"}).status_code == 302
    )
    assert column().feature.name == "arginine"
    told = page.get(f"/features/{known('arginine').pk}/").content.decode()
    assert "is another name of" in told
    assert "Reference ranges" in told
    assert page.post(f"/features/{waiting.pk}/", {"verb": "merge"}).status_code == 403


def approved():
    """Another data manager approves the edit that waits."""
    dictionary_edits.approve(DictionaryEdit.objects.waiting().get().pk, by=user_with("CD"))


def test_a_data_manager_proposes_to_rename_merge_and_split_and_another_approves(site, browse):
    send(site, "arginine [umol/L],HDL-X [umol/L]")
    page = browse(user_with("CD"))
    here = f"/features/{known('arginine').pk}/"
    rename = {"verb": "rename", "rename-name": "Arg free", "rename-reason": "r"}
    split = {"verb": "split", "split-name": "Arg sum", "split-sites": ["FUK"], "split-reason": "r"}
    for sent in (rename, split):
        assert page.post(here, sent).status_code == 302
        assert column("arginine").feature.name == ("arginine" if sent is rename else "Arg free")
        approved()
    assert column("arginine").feature.name == "Arg sum"
    new = {"verb": "decide", "decide-decision": "new", "decide-reason": "r"}
    twin = known("HDL-X")
    assert page.post(f"/features/{twin.pk}/", new | {"decide-name": "HDL-Y"}).status_code == 302
    merge = {"verb": "merge", "merge-into": "citrulline", "merge-reason": "r"}
    assert page.post(f"/features/{twin.pk}/", merge).status_code == 302
    approved()
    assert column("HDL-X").feature.name == "citrulline"


def test_the_api_decides_as_the_page_does(waiting, site, api):
    api.force_authenticate(user_with("SD", site))
    listed = api.get("/api/v1/features/review").json()["results"]
    assert [row["name"] for row in listed] == ["Peak 17"]
    body = {"decision": "alias", "of": "arginine", "site": "FUK", "reason": "method sheet"}
    done = api.post(f"/api/v1/features/{waiting.pk}/decide", body, format="json")
    assert (done.status_code, done.json()["name"]) == (200, "arginine")
    again = api.post(f"/api/v1/features/{waiting.pk}/decide", body, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "decision_refused")


def test_the_page_of_a_molecule_says_why_an_identifier_is_not_known(browse):
    reference.seed_features()
    page = browse(user_with("LT", SiteFactory()))
    lacking = Feature.objects.get(name="norvaline")
    shown = page.get(f"/features/{lacking.pk}/").content.decode()
    assert "No ChEBI id: no two public tables that could be read give the same" in shown
    Feature.objects.filter(pk=lacking.pk).update(chebi="1")
    assert "No ChEBI id" not in page.get(f"/features/{lacking.pk}/").content.decode()
