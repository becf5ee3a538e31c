"""The web application for a WSGI server (granian, gunicorn)."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
_django = get_wsgi_application()

from analysis.api.polling import at_the_door  # noqa: E402 - Django is set up now

application = at_the_door(_django)
# What is loaded by now stays: a full collection went through all of it, 150 ms in some request.
gc.collect()
gc.freeze()
