"""A filter of the admin offers the values of the newest rows, and keeps the one that is chosen."""

from __future__ import annotations

import pytest

from cohorts import admin_filters
from tests.factories import SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
LIST = "/admin/cohorts/sample/"


@pytest.fixture
def samples():
    site = SiteFactory(code="FUK")
    return [
        SampleFactory(site=site, participant__site=site, code=f"T{n}", material=material)
        for n, material in enumerate(["CSF", "serum", "serum"])
    ]


def shown(client, query=""):
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    changes = answer.context["cl"]
    [by_material] = [f for f in changes.filter_specs if f.title == "material"]
    offered = {c["display"]: c["selected"] for c in by_material.choices(changes)}
    return {row.code for row in changes.result_list}, offered


def test_a_filter_offers_what_rows_hold_and_keeps_those_that_hold_it(browse, samples):
    client = browse(user_with("CD"))
    assert shown(client) == ({"T0", "T1", "T2"}, {"All": True, "CSF": False, "Serum": False})
    assert shown(client, "?material=CSF") == ({"T0"}, {"All": False, "CSF": True, "Serum": False})


def test_what_only_old_rows_hold_is_not_offered_but_stays_once_it_is_chosen(
    browse, samples, monkeypatch
):
    monkeypatch.setattr(admin_filters, "NEWEST", 2)
    client = browse(user_with("CD"))
    assert "CSF" not in shown(client)[1]
    found, offered = shown(client, "?material=CSF")
    assert (found, offered["CSF"]) == ({"T0"}, True)
