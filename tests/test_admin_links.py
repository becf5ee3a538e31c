"""A record in the admin leads only to what its reader may open."""

from __future__ import annotations

import re

import pytest

from analysis.models import Plan
from cohorts.admin_site import ScopedAdmin
from cohorts.admin_site import site as admin_site
from tests.factories import SiteFactory, user_with
from tests.test_admin_lists import more_of_everything

pytestmark = pytest.mark.django_db
LINK = re.compile(r'href="(/admin/\w+/\w+/[^"/?]+/change/)')


@pytest.fixture
def closed(browse):
    """A function: (page, link) where somebody of a role follows a link and is refused."""
    study = SiteFactory(code="N99").study
    plan = Plan.objects.create(study=study, name="links", data={"case": ["a"], "control": ["b"]})
    more_of_everything(plan, 1)

    def followed(role):
        client, found = browse(user_with(role)), []
        for model in admin_site._registry:
            row = model._default_manager.order_by("-pk").first()
            page = (
                f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row and row.pk}/change/"
            )
            answer = client.get(page) if row else None
            if answer is not None and answer.status_code == 200:
                links = set(LINK.findall(answer.text)) - {page}
                found += [(page, to) for to in links if client.get(to).status_code == 403]
        return found

    return followed


@pytest.mark.parametrize("role", ["AD", "CD"])
def test_no_link_of_a_record_is_answered_with_a_refusal(closed, role):
    assert closed(role) == []


def test_a_link_that_would_be_refused_is_noticed(closed, monkeypatch):
    monkeypatch.setattr(ScopedAdmin, "_is_closed", lambda *_: False)
    assert any("/webhookevent/" in page and "/run/" in to for page, to in closed("AD"))
