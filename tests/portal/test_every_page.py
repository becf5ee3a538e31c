"""Every page with something on it: readable for everybody, silent in the console, and pictured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.urls import resolve

from cohorts.labels import label_text
from tests.access.table import OWN_ACCOUNT, PAGES
from tests.factories import user_with
from tests.portal import further, shelf

pytestmark = pytest.mark.django_db(transaction=True)

KILOBYTES_AT_MOST = 300
# What came for this page, from a cache too; the library of plots is the plots'.
KILOBYTES = """() => [
    ...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource"),
].filter(each => !each.name.includes("/vendor/"))
 .reduce((sum, each) => sum + each.encodedBodySize, 0) / 1000"""
# The server of the tests sends the vendored styles as they are; the platform's sends this.
PACKED = (
    next(
        (Path(settings.BASE_DIR) / "cohorts/static/portal/vendor").glob(
            "bootstrap-*/bootstrap.min.css.gz"
        )
    )
    .stat()
    .st_size
    / 1000
)


def pages_by_role(full: shelf.Shelf) -> dict[str, list[tuple[str, str]]]:
    """role -> (name of the picture, address) of what this role looks at."""
    person, run = f"/participants/{full.person.pk}/", f"/runs/{full.run.pk}/"
    return {
        "SC": [
            *(("home", "/"), ("site", "/sites/FUK/"), ("people", "/sites/FUK/participants/")),
            ("consent-record", f"/consents/{full.person.consents.get().pk}/"),
            ("enrol", "/sites/FUK/enrol/"),
            ("consent-gap", "/sites/FUK/participants/?consent=without"),
            *(("person", person), ("visit", f"{person}visit/"), ("move", f"{person}move/")),
            *(
                ("renewals", "/sites/FUK/renewals/"),
                ("variables", "/studies/hikikomori/variables/"),
            ),
        ],
        "LT": [
            *(("samples", "/sites/FUK/samples/"), ("sample", f"/samples/{full.tube.pk}/")),
            ("box", f"/boxes/{full.box.pk}/"),
            *(("scan", "/sites/FUK/scan/"), ("labels", "/sites/FUK/labels/")),
            *(("shipments", "/sites/FUK/shipments/"), ("received", f"/shipments/{full.sent.pk}/")),
            ("receipt", f"/shipments/{full.coming.pk}/"),
            ("destructions", "/sites/FUK/destructions/"),
        ],
        "SD": [
            *(("queries", "/sites/FUK/queries/"), ("query", f"/queries/{full.query.pk}/")),
            *(("batches", "/sites/FUK/batches/"), ("batch", f"/batches/{full.batch.pk}/")),
            *(("erasures", "/sites/FUK/erasures/"), ("staff", "/staff/")),
            ("audit-trail", "/sites/FUK/audit-trail/"),
            ("names", "/features/review/"),
            ("person-values", f"{person}values/"),
            ("batch-values", f"/batches/{full.batch.pk}/values/"),
        ],
        "CA": [("run", run), ("plots", f"{run}plots/"), ("claim", "/claims/K22-2/")],
        "CD": [("study", "/"), ("runs", "/runs/"), ("edits", "/features/edits/")],
    }


def _scan(page, full):
    page.get_by_label("Label or code").fill(label_text("FUK", full.tube.code))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="take out").wait_for()


def all_pages(full: shelf.Shelf) -> dict[str, list[tuple[str, str]]]:
    """The daily pages of each role, and the further ones."""
    daily, more = pages_by_role(full), further.pages_by_role(full)
    return {role: [*pages, *more.get(role, [])] for role, pages in daily.items()}


def unseen(pages: Iterable[list[tuple[str, str]]]) -> set[str]:
    """Pages of the URL table that nobody looks at."""
    seen = {resolve(urlsplit(address).path).url_name for these in pages for _, address in these}
    return (PAGES | OWN_ACCOUNT) - further.NO_PAGE - set(further.ELSEWHERE) - seen


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_page_with_something_on_it(open_as, picture, scheme, width):
    full, axe, faults = shelf.filled(), Axe(), []
    for role, pages in all_pages(full).items():
        held_at = None if role in ("CA", "CD") else full.site
        page = open_as(
            user_with(role, held_at),
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        titles: dict[str, str] = {}
        for name, address in pages:
            answer = page.goto(address)
            path = urlsplit(address).path
            other = titles.setdefault(page.title(), path)  # many tabs are open at once
            faults += [(name, f"is called as {other} is")] * (other != path)
            if name == "scan":
                _scan(page, full)
            faults += [(name, answer.status)] * (answer.status != 200)
            found = axe.run(page).response["violations"]
            faults += [(name, v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found]
            weight = page.evaluate(KILOBYTES)
            assert weight > 5, "nothing was weighed"
            faults += [(name, f"{weight:.0f} kB")] * (weight + PACKED > KILOBYTES_AT_MOST)
            sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            faults += [(name, "scrolls sideways")] * page.evaluate(sideways)
            faults += [(name, said) for said in page.complaints if not re.search(r"\b422\b", said)]
            page.complaints.clear()
            picture(page, f"{name}-{scheme}-{width}")
    assert faults == []
