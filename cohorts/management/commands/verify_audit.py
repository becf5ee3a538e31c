"""verify_audit: whether the audit trail says what it said when it was sealed."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from cohorts.services.audit import audit_check
from cohorts.services.audit.audit_check import Checked, Noted
from hikiproject.commands import StudyCommand

TOLD_AT_MOST = 20
_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{16,64})")


def head(text: str) -> Noted:
    """What was noted as NUMBER:HASH; the first 16 digits of the hash are enough."""
    found = _HEAD.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no head: write NUMBER:HASH as this command or the log told it."
        )
    return Noted(int(found[1]), found[2])


class Command(StudyCommand):
    help = "Compute every hash of the audit trail anew; exit code 1 and the places if one is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            type=head,
            metavar="NUMBER:HASH",
            help="a head noted before: shows whether the end of the chain was cut off or made anew",
        )
        self.add_json(parser)

    def work(self, **options: Any) -> None:
        checked = audit_check.check(options["head"])
        if options["json"]:
            self.stdout.write(json.dumps(asdict(checked)))
        else:
            self._say(checked)
        if checked.faults:
            more = len(checked.faults) - TOLD_AT_MOST
            told = list(checked.faults[:TOLD_AT_MOST]) + [f"... and {more} more."] * (more > 0)
            self.refuse("\n".join(["The audit trail is not what was sealed:", *told]))

    def _say(self, checked: Checked) -> None:
        self.stdout.write(
            f"Checked {checked.n_entries} entries in {checked.n_seals} seals; "
            f"{checked.n_erased} were emptied or masked by erasures; "
            f"{checked.n_unsealed} are newer than the last seal and are not covered yet."
        )
        self.stdout.write(f"Head: {checked.head or 'none; nothing is sealed yet'}")
        if not checked.faults:
            self.stdout.write("Every entry says what it said when it was sealed.")
