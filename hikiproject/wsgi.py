"""The web application for a WSGI server (granian, gunicorn)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
application = get_wsgi_application()
