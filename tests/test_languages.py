"""Every string has its Japanese, and every text of a page can have one."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import polib
import pytest
from django.apps import apps
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext

from analysis.plots.words import WORDS as PLOT_WORDS
from cohorts.language import spoken_names
from hikiproject import catalogues
from hikiproject.words import BASE, CODE, Said, everything_said, said_in_code, said_in_template
from hikiproject.words_as_written import is_written
from tests.factories import ParticipantFactory, SiteFactory, user_with
from tests.plain_words import plain_words
from tests.unsaid_words import unsaid

# Swagger's page is in English, as the schema is that it shows.
ENGLISH = ("templates/api/",)
# What these say is read on a terminal, or is the schema of the API
# (docs/decisions/0035-sentences-in-every-language.md).
ENGLISH_CODE = (
    *("cohorts/serializers*.py", "analysis/serializers*.py", "cohorts/outgoing/*.py"),
    *(
        "cohorts/ingest/study/*.py",
        "cohorts/services/studies/*.py",
        "cohorts/services/accounts/staffing.py",
    ),
    *("cohorts/services/erasing/ledger.py", "analysis/services/exports.py"),
    *("analysis/services/reproduction.py", "*/management/*", "*/migrations/*", "hikiproject/*"),
)
# Faults inside an archive, told as "not a readable workbook"; and two with values that never vary.
UNSHOWN = (
    *("a part ", "a repeat count", "the directory is outside", "A priority is a whole number"),
    *("A part of step ", "No site has a feature that was detected"),
)
HOLES = re.compile(r"%\(\w+\)[sd]")


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(str(catalogues.KEPT / language / "LC_MESSAGES" / "django.po"))


def lacking(said: list[Said], known: polib.POFile) -> list[str]:
    """What the catalogue does not say, or says with other holes for values."""
    entries = {entry.msgid: entry for entry in known if not entry.obsolete}
    faults = []
    for each in said:
        entry = entries.get(each.text)
        words = (entry.msgstr_plural.get(0) or entry.msgstr) if entry else ""
        if not entry or not words or entry.fuzzy:
            faults.append(f"{each.file}: {each.text!r} has no translation")
        elif set(HOLES.findall(words)) != set(HOLES.findall(each.text)):
            faults.append(f"{each.file}: {words!r} has other holes than {each.text!r}")
        elif each.plural and entry.msgid_plural != each.plural:
            faults.append(f"{each.file}: {each.text!r} is listed without its plural")
    return faults


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES if code != "en"])
def test_no_string_is_missing(language):
    with translation.override(language):  # Django's own pages have Django's own words
        ours = {entry.msgid for entry in catalogue(language)}
        said = [
            each
            for each in everything_said()
            if each.text in ours or gettext(each.text) == each.text
        ]
    assert lacking(said, catalogue(language)) == []


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES if code != "en"])
def test_models_fields_and_their_choices_have_names_in_every_language(language):
    ours = [apps.get_app_config(name) for name in ("cohorts", "analysis")]
    found = list(spoken_names.names(ours))
    with translation.override(language):  # Django's own names have Django's own words
        said = [Said(text, "", model) for text, model in found if gettext(text) == text]
    assert len(found) > 500
    assert lacking(said, catalogue(language)) == []


@pytest.mark.django_db
def test_the_admin_speaks_the_languages_of_who_opens_it(client):
    ParticipantFactory()
    client.force_login(user_with("CD"))
    page = client.get("/admin/", headers={"accept-language": "ja"}).text
    for words in ("hikiproject 管理", "測定バッチ", "待機中の解析", "同意と消去"):
        assert words in page
    page = client.get("/admin/cohorts/participant/", headers={"accept-language": "ja"}).text
    assert "登録日" in page
    assert "enrolled on" not in page.lower()
    assert "Enrolled on" in client.get("/admin/cohorts/participant/").text


def test_a_string_without_translation_a_fuzzy_one_and_another_hole_are_found():
    known = polib.POFile()
    known.append(polib.POEntry(msgid="Guessed", msgstr="推測", flags=["fuzzy"]))
    known.append(polib.POEntry(msgid="Empty", msgstr=""))
    known.append(polib.POEntry(msgid="%(n)s rows", msgstr="%(m)s 行"))
    said = [
        *said_in_template(
            '{% load i18n %}{% translate "Guessed" %}{{ x|default:_("Empty") }}', "t"
        ),
        *said_in_code('gettext_lazy("New")\n_("%(n)s rows")', "c"),
    ]
    assert len(said) == len(lacking(said, known)) == 4


def test_no_page_has_words_that_cannot_be_translated():
    found = {}
    for path in sorted((BASE / "templates").rglob("*.html")):
        name = str(path.relative_to(BASE))
        words = [] if name.startswith(ENGLISH) else plain_words(path.read_text())
        if words:
            found[name] = words
    assert found == {}


def test_a_word_outside_of_the_translating_tags_is_found():
    page = '<a title="Go on" href="/new">{% translate "Kept" %} Lost {{ y }} µL</a>'
    assert sorted(plain_words(page)) == ["Go on", "Lost"]


def test_no_words_of_the_code_are_out_of_reach_of_the_catalogues():
    found = {}
    for app in CODE:
        for path in sorted((BASE / app).rglob("*.py")):
            name = path.relative_to(BASE)
            if any(name.match(pattern) or fnmatch(str(name), pattern) for pattern in ENGLISH_CODE):
                continue
            if is_written(str(name)):  # each of its texts is asked of the catalogue
                continue
            words = [
                each
                for each in unsaid(path.read_text())
                if not any(known in each for known in UNSHOWN)
            ]
            if words:
                found[str(name)] = words
    assert found == {}


def test_words_that_are_shown_and_not_marked_are_found():
    code = """
raise UnusableRequest("Say why.")
raise UnusableRequest(f"{name} is not there.")
messages.success(request, "It is done." if done else say("It is not done."))
row.fault("sex", "empty", "empty; every row needs a value")
field = CharField(label="Your name", help_text=_("As in the book."))
raise ValueError("for a programmer")
raise UnusableRequest(say("%(name)s is not there.", name=name))
self.message_user(request, f"Erasure {n} is approved.")
@admin.action(description="End the selected webhooks")
def end(self): pass
site_header = "The study's admin"
context = {"title": f"What {plan} would run"}
Line("Runs that wait", str(n))
logger.warning("%s is not there", name)
raise UnusableRequest(say("%(name)s is not there.", name=name))
"""
    found = sorted(int(each.split(":")[0].removeprefix("line ")) for each in unsaid(code))
    assert found == [2, 3, 4, 5, 6, 9, 10, 12, 13, 14]


def test_the_words_of_the_plots_script_are_those_that_the_page_carries():
    script = (BASE / "cohorts" / "static" / "portal" / "plots.js").read_text()
    assert sorted(set(re.findall(r'\bt\("([^"]+)"', script))) == sorted(PLOT_WORDS)
    # A text beside t(...): two words or more in quotes, which nothing would translate.
    beside = re.sub(r'\bt\("[^"]+"|"use strict"|//.*', "", script)
    assert re.findall(r'"[A-Za-z]+ [a-z]+[^"]*"', beside) == []
    between_values = r"[`}][^`{}()=;]*[a-z]{2} [a-z]{2}[^`{}=;]*[`$]"
    assert re.findall(between_values, beside) == []
    assert re.findall(between_values, "share = `${n} % of variance)`")


@pytest.mark.django_db
def test_the_browser_says_its_language_and_the_foot_changes_it(client):
    assert b'<html lang="en" dir="ltr">' in client.get("/login/").content
    page = client.get("/login/", headers={"accept-language": "ja,en;q=0.5"})
    assert '<html lang="ja" dir="ltr">' in page.text
    assert "ユーザー名" in page.text
    answer = client.post("/language/", {"language": "ja", "next": "/login/"})
    assert answer["Location"] == "/login/"
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME]["max-age"] > 10_000_000
    assert "ユーザー名" in client.get("/login/").text


@pytest.mark.django_db
def test_the_api_is_english_but_tells_what_went_wrong_in_the_language_that_is_asked(client):
    client.force_login(user_with("CA"))
    ask = {"accept-language": "fr, ja;q=0.9, en;q=0.1"}
    assert client.get("/api/v1/runs/", headers=ask)["Content-Language"] == "en"
    address = "/api/v1/runs/latest?plan=none"
    refused = client.get(address, headers=ask)
    assert refused["Content-Language"] == "ja"
    assert refused.json()["detail"] == "計画 'none' には、閲覧できる解析がまだありません。"
    plain = client.get(address)
    assert plain["Content-Language"] == "en"
    assert plain.json()["detail"] == "Plan 'none' has no run yet that you can see."
    assert refused.json()["title"] == "見つかりません"
    for same in ("status", "code", "type"):
        assert refused.json()[same] == plain.json()[same]


@pytest.mark.django_db
def test_each_field_that_is_refused_is_told_in_the_language_that_is_asked(client):
    client.force_login(user_with("SC", SiteFactory(code="FUK")))
    answer = client.post(
        "/api/v1/withdrawals/", {}, "application/json", headers={"accept-language": "ja"}
    )
    assert answer.json()["detail"] == "受け付けられない項目があります。"
    told = {each["detail"] for each in answer.json()["errors"]}
    assert told == {"この項目は必須です。"}


@pytest.mark.django_db
def test_a_language_from_the_right_has_its_style_sheet(client, settings):
    settings.LANGUAGES = [*settings.LANGUAGES, ("ar", "العربية")]
    page = client.get("/login/", headers={"accept-language": "ar"}).text
    assert '<html lang="ar" dir="rtl">' in page
    assert "bootstrap.rtl.min.css" in page


PHYSICAL = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border)-(?:left|right)|left|right|float|text-align:\s*(?:left|right))\b"
)


def test_the_style_sheets_say_start_and_end_and_not_left_and_right():
    sheets = (BASE / "cohorts" / "static" / "portal").glob("*.css")
    found = {sheet.name: PHYSICAL.findall(sheet.read_text()) for sheet in sheets}
    assert not any(found.values())
    assert PHYSICAL.search(".who { margin-left: auto; }")


def test_catalogues_are_compiled_once_for_their_content(tmp_path):
    folder = catalogues.compile_into(tmp_path)
    made = list(tmp_path.rglob("*.mo"))
    stamp = made[0].stat().st_mtime_ns
    assert catalogues.compile_into(tmp_path) == folder
    assert [each.stat().st_mtime_ns for each in made] == [stamp]
