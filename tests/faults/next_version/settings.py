"""The settings of the made-up next version."""

from hikiproject.settings import *  # noqa: F403 - all but what is below is the same
from hikiproject.settings import INSTALLED_APPS as _APPS
from hikiproject.settings import MIDDLEWARE as _MIDDLEWARE

INSTALLED_APPS = [*_APPS, "tests.faults.next_version"]
MIDDLEWARE = [*_MIDDLEWARE, "tests.faults.next_version.reads_the_column"]
