"""The plots of a run, in a real browser: drawn, told as tables, saved as pictures."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from analysis.plots.of_run import without_each
from tests.factories import user_with
from tests.portal import books, shelf

pytestmark = pytest.mark.django_db(transaction=True)
# The ground and the ink of a picture on paper, and those of a dark screen.
PAPER, SCREEN = {"#fff", "#1c2630"}, {"#1a2028", "#dde4eb"}


@pytest.fixture
def run():
    return books.concluded(books.run_of(books.followed_plan()))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_each_plot_is_drawn_and_its_numbers_can_be_read(open_as, run, width, scheme):
    page = open_as(user_with("CD"), color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(f"/runs/{run.pk}/")
    page.get_by_role("link", name="Plots").click()
    plots = page.locator("[data-plot]")
    kinds = [plot.get_attribute("data-plot") for plot in plots.all()]
    assert kinds == ["volcano", "intervals", "roc", "calibration", "variance", *["components"] * 2]
    for n in range(plots.count()):
        expect(plots.nth(n).locator("svg path").first).to_be_attached()
    for site in ("FUK", "TYO"):  # which lie upon each other after harmonisation
        expect(plots.last.get_by_text(site).first).to_be_attached()
    page.get_by_text("The numbers").first.click()
    expect(page.get_by_role("rowheader", name="ornithine")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(media="print", color_scheme=scheme)
    expect(plots.first.locator("[fill='#000']").first).to_be_attached()
    expect(plots.first.locator("[fill='#dde4eb']")).to_have_count(0)
    assert page.complaints == []


@pytest.mark.parametrize(("kind", "begins"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_a_plot_is_saved_as_a_picture_for_paper(open_as, run, kind, begins):
    page = open_as(user_with("CD"), color_scheme="dark")
    page.goto(f"/runs/{run.pk}/plots/")
    with page.expect_download() as saved:
        page.get_by_role("button", name=f"Save Every feature, everybody as {kind}").click()
    picture = Path(saved.value.path()).read_bytes()
    assert picture.startswith(begins)
    if kind == "SVG":
        drawing = ElementTree.fromstring(picture)  # noqa: S314 - our own drawing
        assert drawing.tag.endswith("svg")
        said = "".join(drawing.itertext())  # what it shows, and of which run
        assert "Every feature, everybody" in said
        assert str(run.plan) in said
        assert "Filled points have a false discovery rate under 5 %." in said
        colours = {each.get("fill") for each in drawing.iter()}
        assert colours >= PAPER
        assert not colours & SCREEN
    assert saved.value.suggested_filename == f"volcano-all.{kind.lower()}"
    assert page.complaints == []


def test_without_scripts_the_numbers_stand_alone(open_as, run):
    page = open_as(user_with("CA"), java_script_enabled=False)
    page.goto(f"/runs/{run.pk}/plots/")
    expect(page.locator("[data-plot]").first).to_be_hidden()
    page.get_by_text("The numbers").first.click()
    expect(page.get_by_role("rowheader", name="ornithine")).to_be_visible()
    answer = page.goto(page.get_by_role("link", name="Data").first.get_attribute("href"))
    assert answer.status == 200


def test_the_curve_stands_in_its_band_beside_the_sites_that_were_left_out(open_as, run):
    page = open_as(user_with("CD"))
    page.goto(f"/runs/{run.pk}/plots/")
    section = page.locator("section").filter(has=page.locator("#plot-roc"))
    expect(section.get_by_text("Janes and Pepe 2009")).to_be_visible()
    drawn = section.locator("[data-plot] svg")
    for site in ("FUK", "TYO"):
        expect(drawn.get_by_text(site)).to_be_attached()
    section.get_by_text("The numbers").click()
    row = section.get_by_role("row").filter(has_text="All sites").nth(2)
    expect(row).to_contain_text("0.47")
    expect(section.get_by_role("row").filter(has_text="TYO")).to_have_count(3)
    assert page.complaints == []


def test_a_site_finds_its_own_row_in_a_forest(open_as, run):
    site, _ = books.two_sites()
    page = open_as(user_with("SD", site))
    page.goto(f"/runs/{run.pk}/?feature=ornithine&stratum=all")
    row = page.get_by_role("table").get_by_role("row").filter(has_text="(your site)")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("FUK")


def test_a_site_is_marked_in_the_drawing_too_and_an_analyst_is_not(open_as, run):
    site, _ = books.two_sites()
    page = open_as(user_with("SD", site))
    page.goto(f"/runs/{run.pk}/?feature=ornithine&stratum=all")
    expect(page.locator("#forest-drawn .own")).to_have_count(1)
    expect(page.locator("#forest-drawn .own")).to_contain_text("FUK (you)")
    page = open_as(user_with("CA"))
    page.goto(f"/runs/{run.pk}/?feature=ornithine&stratum=all")
    expect(page.locator("#forest-drawn .own")).to_have_count(0)


@pytest.mark.parametrize(("kind", "begins"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_a_forest_is_saved_with_its_colours(open_as, run, kind, begins):
    page = open_as(user_with("CD"), color_scheme="dark")
    page.goto(f"/runs/{run.pk}/?feature=ornithine&stratum=all")
    with page.expect_download() as saved:
        page.get_by_role("button", name=f"Save the drawing as {kind}").click()
    picture = Path(saved.value.path()).read_bytes()
    assert picture.startswith(begins)
    if kind == "SVG":
        drawn = ElementTree.fromstring(picture)  # noqa: S314 - our own drawing
        assert {each.get("fill") for each in drawn.iter()} >= {"rgb(24, 90, 138)", *PAPER}
        said = "".join(drawn.itertext())
        for words in ("ornithine, everybody: site by site", str(run.plan), "Hedges g", "diamond"):
            assert words in said
    assert saved.value.suggested_filename == f"forest.{kind.lower()}"
    assert page.complaints == []


@pytest.mark.parametrize(
    ("title", "name"),
    [("Enrolment", "enrolment-FUK"), ("FUK beside all sites", "FUK-beside-kyushu-2022")],
)
@pytest.mark.parametrize(("kind", "begins"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_the_drawings_of_a_home_are_saved(open_as, title, name, kind, begins):
    full = shelf.filled()
    page = open_as(user_with("SC", full.site))
    page.goto("/")
    with page.expect_download() as saved:
        page.get_by_role("button", name=f"Save {title} as {kind}").click()
    assert Path(saved.value.path()).read_bytes().startswith(begins)
    assert saved.value.suggested_filename == f"{name}.{kind.lower()}"
    for link in page.locator("a[href^='/api/']").all():
        assert page.request.get(link.get_attribute("href")).status == 200
    assert page.complaints == []


def test_a_forest_on_a_phone_keeps_its_letters(open_as, run):
    page = open_as(user_with("CD"), viewport={"width": 390, "height": 900})
    page.goto(f"/runs/{run.pk}/?feature=ornithine&stratum=all")
    expect(page.locator("#forest-drawn")).to_be_hidden()
    drawn = page.locator(".only-narrow svg")
    expect(drawn).to_be_visible()
    height = drawn.get_by_text("All sites").evaluate("each => each.getBoundingClientRect().height")
    assert height > 11


def test_a_pooled_effect_is_told_without_each_site_in_turn():
    effects = pd.DataFrame(
        {
            "feature": "ornithine",
            "stratum": "all",
            "site": ["FUK", "TYO", "OSL"],
            "hedges_g": [0.2, 0.4, 0.9],
            "hedges_g_variance": [0.04, 0.05, 0.06],
        }
    )
    left = without_each(effects, "ornithine", "all")
    assert [row["site"] for row in left] == ["FUK", "TYO", "OSL"]
    assert left[2]["estimate"] < left[0]["estimate"]
    assert without_each(effects[:2], "ornithine", "all") == []
