"""Sites on principal components: what is kept of people, and what may be told of sites."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from analysis.plots.components import outline
from analysis.services.disclosure import released_documents
from analysis.steps.component_groups import sites_on_components

SITES = ["FUK"] * 30 + ["TYO"] * 30 + ["OSL"] * 12 + ["NGO"] * 6


@pytest.fixture
def document():
    rng = np.random.default_rng(7)
    values = pd.DataFrame(rng.normal(size=(len(SITES), 8)))
    values.iloc[:30] += 4.0  # the first site measures higher
    parts = {}
    for when in ("before", "after"):
        parts[f"components_{when}"] = sites_on_components(values, pd.Series(SITES))
    sizes = {site: SITES.count(site) for site in dict.fromkeys(SITES)}
    return {"method": "m", "n_people": len(SITES), "sites": sizes, "notes": [], **parts}


def test_a_site_that_measures_higher_lies_apart_and_centres_sum_to_nothing(document):
    found = {each["site"]: each for each in document["components_before"]["sites"]}
    gap = abs(found["FUK"]["centre"][0] - found["TYO"]["centre"][0])
    assert gap > 3 * found["TYO"]["covariance"][0] ** 0.5
    middle = sum(each["n"] * each["centre"][0] for each in found.values())
    assert middle == pytest.approx(0, abs=1e-9)
    assert "nan" not in json.dumps(document).lower()


def test_nothing_is_told_where_there_are_not_two_components():
    one = pd.DataFrame({"a": [1.0, 2.0, 3.0, 5.0]})
    assert sites_on_components(one, pd.Series(["A", "A", "B", "B"])) == {}


def test_a_site_of_few_is_not_told_and_no_other_gives_it_away(document):
    arms = {site: (n // 2, n // 2) for site, n in document["sites"].items()} | {"OSL": (12, 12)}
    rule = released_documents.RULES["harmonisation"]
    told = released_documents.shown(rule, document, arms, 10, ())
    shown = [each["site"] for each in told["components_before"]["sites"]]
    assert shown
    assert "NGO" not in shown
    assert len(set(SITES) - set(shown)) >= 2  # the centre of one alone could be worked out
    assert {each["n"] for each in told["components_before"]["sites"]} <= {10, 15, 30}


def test_an_ellipse_lies_one_standard_deviation_around_its_centre():
    corners = np.array(outline([1.0, 2.0], [4.0, 0.0, 9.0]))
    assert corners[:, 0].min() == pytest.approx(-1, abs=0.01)
    assert corners[:, 1].max() == pytest.approx(5, abs=0.01)
    assert corners[0].tolist() == corners[-1].tolist()
