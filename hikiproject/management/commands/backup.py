"""``backup FOLDER``: the database and every stored file, with their hashes."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hikiproject import backup


class Command(BaseCommand):
    """Write a backup; people may work meanwhile."""

    help = "Back up database and files into a new folder: python3 manage.py backup FOLDER."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the folder to make."""
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        """Write it, or say why not."""
        try:
            made = backup.write(folder.absolute())
        except backup.BackupRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{made.folder}: the database and {len(made.file_digests)} files, {made.made_at}."
        )
