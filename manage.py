#!/usr/bin/env python3
"""Django's command line; outside an environment that has Django it makes one first."""

import os
import sys


def main() -> None:
    """Run a command of the project, e.g. ``python3 manage.py demo``."""
    from hikiproject import bootstrap

    bootstrap.enter(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
