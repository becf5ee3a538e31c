"""A catalogue holds nothing that is said no longer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import polib
import pytest
import rest_framework
from django.apps import apps
from django.conf import settings
from django.utils import translation

from analysis.plots.words import WORDS as PLOT_WORDS
from analysis.steps.pieces import WORK
from cohorts.language import spoken_names
from cohorts.language.told import told
from hikiproject import catalogues
from hikiproject.exception_handler import title_of
from hikiproject.words import BASE, CODE, everything_said

# The kind of a problem is told by its code.
CODES = re.compile(r'code = "(\w+)"$|Problem\(\s*"(\w+)"', re.MULTILINE)


def titles() -> set[str]:
    texts = [path.read_text() for app in CODE for path in (BASE / app).rglob("*.py")]
    texts += [
        Path(rest_framework.__file__).with_name("exceptions.py").read_text().replace("'", '"')
    ]
    return {title_of("".join(found)) for text in texts for found in CODES.findall(text)}


@cache
def said() -> set[str]:
    """Everything of this project that somebody may read in words of a catalogue."""
    ours = [apps.get_app_config(name) for name in ("cohorts", "analysis")]
    names = {text for text, _ in spoken_names.names(ours)}
    return {each.text for each in everything_said()} | names | {*PLOT_WORDS, *WORK} | titles()


def of_libraries() -> str:
    """Their sources: some of their messages have no Japanese of their own."""
    folder = Path(rest_framework.__file__).parent
    return "\n".join(path.read_text() for path in folder.glob("*.py"))


def stale(known: Iterable[polib.POEntry]) -> list[str]:
    now, theirs = said(), of_libraries()
    return [each.msgid for each in known if each.msgid not in now and each.msgid not in theirs]


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES if code != "en"])
def test_nothing_is_translated_that_is_said_no_longer(language):
    path = catalogues.KEPT / language / "LC_MESSAGES" / "django.po"
    assert stale(polib.pofile(str(path))) == []


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES if code != "en"])
def test_every_kind_of_work_has_its_name(language):
    # A run's page tells how much of each kind came from earlier runs.
    with translation.override(language):
        assert [kind for kind in WORK if told(kind) == kind] == []


def test_a_sentence_that_is_gone_is_found():
    gone = "The moon has a covariate that nobody wrote down."
    kept = ["Run not waiting", "A valid biginteger is required.", "one stage"]
    assert stale([polib.POEntry(msgid=text) for text in (gone, *kept)]) == [gone]
