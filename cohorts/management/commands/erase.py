"""erase SITE PARTICIPANT --by USER [--approve | --stop --reason WHY]: remove somebody's data."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cohorts.errors import UnusableRequest
from cohorts.models import Erasure, Participant, User
from cohorts.services.erasing import erasure
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Ask for the erasure of a participant; a second person approves, either may stop it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("site", metavar="SITE", help="the site's code")
        parser.add_argument("participant", metavar="PARTICIPANT", help="the participant's code")
        parser.add_argument("--by", required=True, metavar="USER", help="who does this")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--approve", action="store_true", help="approve the open request")
        what.add_argument("--stop", action="store_true", help="stop it, with --reason")
        parser.add_argument("--reason", default="", help="why it is stopped")

    def work(self, **options: Any) -> None:
        by = User.objects.filter(username=options["by"], is_active=True).first()
        if by is None:
            raise UnusableRequest(f"There is no active account {options['by']!r}; name another.")
        person = (
            Participant.objects.visible_to(by)
            .filter(site__code=options["site"], code=options["participant"])
            .first()
        )
        if person is None:
            raise UnusableRequest(
                f"{options['site']} has no participant {options['participant']} that "
                f"{by.username} can see; check both codes."
            )
        if options["approve"]:
            done = erasure.approve(self._open(person), by=by)
            told = f"Approved. It is carried out after {erasure.due_at(done):%Y-%m-%d %H:%M} UTC."
        elif options["stop"]:
            erasure.stop(self._open(person), by=by, reason=options["reason"])
            told = "Stopped. The withdrawal stands: no use of the data until a new consent."
        else:
            erasure.request(person.pk, by=by)
            told = "Asked for. Every use stops now; the removal needs a second person's approval."
        self.stdout.write(told)

    def _open(self, person: Participant) -> int:
        found = Erasure.objects.open().filter(participant=person).first()
        if found is None:
            raise UnusableRequest(f"No erasure of {person.code} is open; ask for it first.")
        return int(found.pk)
