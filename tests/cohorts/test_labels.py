"""A label that is misread is found, and a printed one is read back."""

from __future__ import annotations

import re

import numpy as np
import pytest
import zxingcpp

from cohorts.labels import _CHECKS, ALPHABET, MisreadCode, check_character, label_text, read_label
from tests.factories import SampleFactory, SiteFactory, user_with

CODES = ("T00001", "FUK-014.p_2", "a", "Zz-9" * 10)


@pytest.mark.parametrize("code", CODES)
def test_a_label_says_site_and_code(code):
    assert read_label(label_text("FUK", code)) == ("FUK", code)


@pytest.mark.parametrize("code", CODES)
def test_every_wrong_character_is_found(code):
    text = label_text("FUK", code)
    for place, right in enumerate(text):
        for wrong in set(_CHECKS) - {right}:
            with pytest.raises(MisreadCode):
                read_label(text[:place] + wrong + text[place + 1 :])


@pytest.mark.parametrize("code", CODES)
def test_every_exchange_of_neighbours_is_found(code):
    text = label_text("FUK", code)
    for place in range(len(text) - 1):
        left, right = text[place : place + 2]
        if left != right:
            with pytest.raises(MisreadCode):
                read_label(text[:place] + right + left + text[place + 2 :])


def test_any_two_characters_exchanged_give_another_check():
    for left in ALPHABET:
        for right in ALPHABET:
            if left != right:
                assert check_character(left + right) != check_character(right + left)


def test_a_misread_label_is_told_in_words():
    with pytest.raises(MisreadCode, match="is misread: scan it again, or type the code"):
        read_label("FUK/T00001/x")
    with pytest.raises(MisreadCode, match="A label cannot carry 'é'"):
        label_text("FUK", "é1")


def pixels(svg: str, scale: int = 4) -> np.ndarray:
    """The drawing as a printer sets it: segno's path is horizontal strokes of height 1."""
    side = int(re.search(r'width="(\d+)"', svg)[1]) // 2
    image = np.full((side, side), 255, dtype=np.uint8)
    path = re.search(r' d="([^"]*)"', svg)[1]
    x = y = 0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", path):
        if command == "M":
            x, y = int(first), int(float(second))
        elif command == "m":
            x, y = x + int(first), y + int(float(second or 0))
        else:
            image[y, x : x + int(first)] = 0
            x += int(first)
    return np.kron(np.pad(image, 2, constant_values=255), np.ones((scale, scale), dtype=np.uint8))


@pytest.mark.django_db
def test_a_printed_label_is_read_back_by_another_program(browse):
    site = SiteFactory(code="FUK")
    sample = SampleFactory(participant__site=site, code="FUK-014.p2")
    page = browse(user_with("LT", site)).get("/sites/FUK/labels/").content.decode()
    assert label_text("FUK", sample.code) in page
    (svg,) = re.findall(r'<svg(?=[^>]*class="segno").*?</svg>', page, flags=re.DOTALL)
    (read,) = zxingcpp.read_barcodes(pixels(svg))
    assert read_label(read.text) == ("FUK", sample.code)


@pytest.mark.django_db
def test_a_scanned_label_leads_to_its_tube_and_a_misread_one_to_none(browse):
    site = SiteFactory(code="FUK")
    sample = SampleFactory(participant__site=site)
    page = browse(user_with("LT", site))
    text = label_text("FUK", sample.code)
    found = page.get("/sites/FUK/samples/", {"q": text})
    assert found.url == f"/samples/{sample.pk}/"
    assert page.get("/sites/FUK/samples/", {"q": sample.code}).url == found.url
    wrong = page.get("/sites/FUK/samples/", {"q": text[:4] + "X" + text[5:]})
    assert b"is misread: scan it again" in wrong.content
    other = SampleFactory()
    hidden = page.get("/sites/FUK/samples/", {"q": label_text(other.site.code, other.code)})
    assert b"that you can see" in hidden.content
