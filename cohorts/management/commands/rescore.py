"""rescore: score questionnaires again where the rules of scoring have a new version."""

from __future__ import annotations

from typing import Any

from cohorts.scoring import SCORING_VERSION
from cohorts.services import phenotyping
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Score again what an earlier version of the rules has scored; the sweep does so too."

    def work(self, **options: Any) -> None:
        n = phenotyping.rescore()
        self.stdout.write(f"Scores moved: {n}; all are of version {SCORING_VERSION} now.")
