"""The main pages in a language from the right, which the test makes of Hebrew letters."""

from __future__ import annotations

import re

import polib
import pytest
from django.utils.translation import trans_real
from playwright.sync_api import expect

from hikiproject import catalogues
from tests.factories import user_with
from tests.portal import shelf

pytestmark = pytest.mark.django_db(transaction=True)
CODE = "he"
KEPT = re.compile(r"(%\(\w+\)[sd]|%%|<[^>]*>|&\w+;|\{[^}]*\})")
LETTERS = "אבגדהוזחטיכלמנסעפצקרשת"
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def mirrored(text: str) -> str:
    """The text in letters from the right, its holes and marks as they are."""
    parts = KEPT.split(text)
    for n in range(0, len(parts), 2):
        parts[n] = re.sub("[A-Za-z]", lambda found: LETTERS[ord(found[0]) % 22], parts[n])
    return "".join(parts)


@pytest.fixture
def from_the_right(settings, tmp_path):
    """The platform speaks a language from the right, for this test alone."""
    made = polib.POFile()
    made.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    for entry in polib.pofile(str(catalogues.KEPT / "ja" / "LC_MESSAGES" / "django.po")):
        said = mirrored(entry.msgid)
        if entry.msgid_plural:
            several = {n: mirrored(entry.msgid_plural) for n in range(4)}
            made.append(
                polib.POEntry(
                    msgid=entry.msgid, msgid_plural=entry.msgid_plural, msgstr_plural=several
                )
            )
        else:
            made.append(polib.POEntry(msgid=entry.msgid, msgstr=said))
    folder = tmp_path / CODE / "LC_MESSAGES"
    folder.mkdir(parents=True)
    made.save_as_mofile(str(folder / "django.mo"))
    settings.LANGUAGES = [*settings.LANGUAGES, (CODE, "עברית")]
    settings.LOCALE_PATHS = [str(tmp_path), *settings.LOCALE_PATHS]
    trans_real._translations.clear()
    yield
    trans_real._translations.clear()


def test_letters_are_turned_and_holes_are_not():
    assert mirrored("a%(n)s <b>5 %%</b>") == "י%(n)s <b>5 %%</b>"


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_from_the_right_are_mirrored_and_fit(open_as, picture, from_the_right, width):
    full, faults = shelf.filled(), []
    pages = {
        "SC": ("/", "/sites/FUK/", "/sites/FUK/upload/", "/sites/FUK/consent/"),
        "LT": ("/sites/FUK/samples/", f"/samples/{full.tube.pk}/", "/sites/FUK/scan/"),
        "CA": (f"/runs/{full.run.pk}/", f"/runs/{full.run.pk}/plots/", "/account/tokens/"),
        "CD": ("/staff/", "/admin/"),
    }
    for role, addresses in pages.items():
        page = open_as(
            user_with(role, None if role in ("CA", "CD") else full.site),
            locale="he-IL",
            viewport={"width": width, "height": 900},
        )
        for address in addresses:
            assert page.goto(address).status == 200, address
            expect(page.locator("html")).to_have_attribute("dir", "rtl")
            faults += [(address, "scrolls sideways")] * page.evaluate(SIDEWAYS)
            if not address.startswith("/admin"):
                faults += [(address, fault) for fault in _not_mirrored(page)]
            picture(page, f"from-the-right-{re.sub('[^A-Za-z]+', '-', address)}{width}")
        faults += [(role, said) for said in page.complaints]
    assert faults == []


def _not_mirrored(page) -> list[str]:
    """What stands as in a language from the left."""
    at = {
        name: page.locator(place).first.bounding_box()
        for name, place in {
            "brand": ".brand",
            "home": ".top nav a",
            "account": ".top nav a[href='/account/tokens/']",
            "who": ".who",
        }.items()
    }
    faults = []
    if not at["home"]["x"] > at["account"]["x"]:
        faults.append("the navigation begins at the left")
    if not at["brand"]["x"] > at["who"]["x"]:
        faults.append("the name stands left of who is signed in")
    heading = page.locator("h1").first.evaluate("each => getComputedStyle(each).direction")
    return faults + (["a heading runs from the left"] if heading != "rtl" else [])
