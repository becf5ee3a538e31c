"""How a new database gets its first sites and people."""

import pytest

from cohorts import access
from cohorts.errors import UnusableRequest
from cohorts.services.accounts import staffing
from tests.factories import SiteFactory

pytestmark = pytest.mark.django_db


def test_a_site_is_added_to_its_study(reference):
    site = staffing.add_site(
        "OSL", "Oslo", country="NO", time_zone="Europe/Oslo", study="hikikomori"
    )
    assert str(site) == "OSL Oslo"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"code": "oslo!"}, "2 to 12 capitals or digits, such as FUK."),
        ({"country": "Norway"}, "Two capitals, such as JP."),
        ({"time_zone": "Oslo"}, "'Oslo' is not a time zone; write one such as Asia/Tokyo."),
        ({"study": "gut"}, "There is no study 'gut'; the studies are: hikikomori."),
    ],
)
def test_a_site_that_cannot_be_is_refused_in_words(reference, facts, sentence):
    asked = {"code": "OSL", "name": "Oslo", "study": "hikikomori"} | facts
    with pytest.raises(UnusableRequest) as refusal:
        staffing.add_site(asked.pop("code"), asked.pop("name"), **asked)
    assert sentence in str(refusal.value)


def test_the_first_administrator_can_log_in(client):
    membership, password = staffing.add_role("kim", "AD")
    assert client.login(username="kim", password=password)
    assert access.roles_of(membership.user) == {"AD"}


def test_a_second_role_keeps_the_account_and_its_password():
    SiteFactory(code="OSL")
    _, password = staffing.add_role("kim", "SC", site_code="OSL")
    membership, none = staffing.add_role("kim", "SD", site_code="OSL")
    assert password
    assert none == ""
    assert access.roles_of(membership.user) == {"SC", "SD"}


@pytest.mark.parametrize(
    ("role", "site", "sentence"),
    [
        ("XX", "", "There is no role 'XX'; the roles are: SC site coordinator,"),
        ("SC", "NIX", "There is no site 'NIX'; the sites are: none yet."),
        ("SC", "", "A site role needs its site; a consortium role names none."),
    ],
)
def test_a_role_that_cannot_be_is_refused_in_words(role, site, sentence):
    with pytest.raises(UnusableRequest) as refusal:
        staffing.add_role("kim", role, site_code=site)
    assert sentence in str(refusal.value)
