"""replay_erasures: after a restore, and before the service opens, erase again who was erased."""

from __future__ import annotations

from typing import Any

from analysis.services import erasures
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Carry out again every erasure of the ledger that a restored database does not know."

    def work(self, **options: Any) -> None:
        people, stones = erasures.replay()
        self.stdout.write(
            f"{people} of the ledger were in this database and are erased again; "
            f"{stones} were not in it."
        )
