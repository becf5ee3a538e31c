"""The admin in a browser: every list and every kind of record, readable and silent."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import RequestFactory
from django.urls import reverse

from cohorts.admin_site import site as admin_site
from cohorts.admin_subjects import is_history
from tests.factories import user_with
from tests.portal import shelf

pytestmark = pytest.mark.django_db(transaction=True)
N_COLOURED = 4
PICTURED = ("/admin/", "/admin/cohorts/query/", "/admin/analysis/plan/", "/admin/cohorts/user/")


def plain_record(shown) -> bool:
    """A page of read-only fields and nothing else, of which one stands for all."""
    return not (shown.inlines or shown.editable or shown.change_form_template)


def lists_and_records(user) -> tuple[list[str], list[str]]:
    """Addresses of the lists that this person may see but histories, and of one record a kind."""
    request = RequestFactory().get("/admin/")
    request.user = user
    lists, records, plain = [reverse("admin:index")], [], False
    for model, shown in admin_site._registry.items():
        if is_history(model) or not shown.has_view_permission(request):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        lists.append(reverse(f"{name}_changelist"))
        first = shown.get_queryset(request).first()
        if first is None or (plain and plain_record(shown)):
            continue
        plain = plain or plain_record(shown)
        records.append(reverse(f"{name}_change", args=[first.pk]))
    return lists, records


def faults_of(page, addresses: list[str], picture) -> list[tuple[object, ...]]:
    axe, faults = Axe(), []
    for number, address in enumerate(addresses):
        answer = page.goto(address)
        faults += [(address, answer.status)] * (answer.status != 200)
        faults += [(address, said) for said in page.complaints]
        # Colours are those of one stylesheet, and looking at them takes most of the time.
        colours = {"color-contrast": {"enabled": number < N_COLOURED}}
        # So is the list of all records beside each page: it is the same on all of them.
        parts = None if number < N_COLOURED else {"exclude": [["#nav-sidebar"]]}
        found = axe.run(page, parts, {"rules": colours}).response["violations"]
        faults += [(address, v["id"], [n["html"][:160] for n in v["nodes"][:3]]) for v in found]
        page.complaints.clear()  # axe styles an element while it looks, which the policy forbids
        if address in PICTURED or address.endswith("/change/"):
            picture(page, "-".join(address.strip("/").split("/")[:3]))
    return faults


def test_every_list_and_kind_of_record_of_the_admin(open_as, picture):
    shelf.filled()
    manager, administrator = user_with("CD"), user_with("AD")
    lists, records = lists_and_records(manager)
    further = [a for part in lists_and_records(administrator) for a in part]
    assert len(lists) > 30
    assert len(records) > 4
    desktop = open_as(manager, viewport={"width": 1280, "height": 900}, color_scheme="light")
    phone = open_as(manager, viewport={"width": 390, "height": 844}, color_scheme="dark")
    other = open_as(administrator, viewport={"width": 1280, "height": 900}, color_scheme="dark")
    faults = faults_of(desktop, lists, picture) + faults_of(phone, records, picture)
    faults += faults_of(other, [a for a in further if a not in (*lists, *records)], picture)
    assert faults == []


def test_an_unreadable_admin_page_would_be_found(open_as, picture):
    page = open_as(user_with("CD"))
    page.route("**/admin.css*", lambda route: route.fulfill(status=404))
    faults = faults_of(page, ["/admin/cohorts/study/"], picture)
    assert any("admin.css" in str(said) or "404" in str(said) for _, *said in faults)
