"""seed: add reference data that is missing (study, features, instruments, claims, plan)."""

from __future__ import annotations

from typing import Any

from hikiproject import readiness
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Add reference data that is missing; what is there stays as it was edited."

    def work(self, **options: Any) -> None:
        added = readiness.seed()
        self.stdout.write(", ".join(f"{n} {what}" for what, n in added.items()) + " added")
