"""``restore FOLDER``: a checked backup in the place of what is there; the erased stay erased."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from cohorts.models import Site
from hikiproject import backup


class Command(BaseCommand):
    """Restore while nothing else runs; every hash is checked before anything is changed."""

    help = "Restore database and files from a backup: python3 manage.py restore FOLDER [--replace]."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the folder, and leave to replace a database that is in use."""
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="even if this database holds a study"
        )

    def handle(self, *args: Any, folder: Path, replace: bool, **options: Any) -> None:
        """Check, restore, migrate, and erase again whoever was erased since."""
        try:
            found = backup.check(folder.absolute())
            if not replace:
                self._refuse_to_replace()
            backup.restore(found)
        except backup.BackupRefused as error:
            raise CommandError(str(error)) from error
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write(f"Restored what {found.made_at} held; {len(found.file_digests)} files.")
        call_command("replay_erasures", stdout=self.stdout)

    def _refuse_to_replace(self) -> None:
        # Not migrated for this: what stands there may be of any version.
        held = Site.objects.count() if Site._meta.db_table in self._tables() else 0
        if held:
            raise CommandError(
                f"This database holds a study of {held} sites: restore into an empty one, or say "
                "--replace to lose what it holds."
            )

    def _tables(self) -> list[str]:
        with connection.cursor() as cursor:
            return connection.introspection.table_names(cursor)
