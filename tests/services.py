"""Pytest plugin, loaded before pytest-django reads the settings: servers, and no demo data.

Named by ``addopts = -p tests.services``. Under xdist the first process starts the servers; each
worker has a Valkey database and folders of its own.
"""

import os
from urllib.parse import urlsplit

from hikiproject import chromium, embedded, testing

testing.enter()

if not {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
    services = embedded.ensure()
    os.environ.setdefault("DATABASE_URL", services.database_url)
    os.environ.setdefault("REDIS_URL", services.redis_url)

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    number = int(worker.removeprefix("gw")) + 1
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{number}").geturl()
    os.environ["HIKI_QUEUE"] = f"hiki-{worker}"
    # A sweep removes what no run of its own database has left.
    for folder in ("HIKI_FILES", "HIKI_ARTEFACTS"):
        os.environ[folder] += f"-{worker}"

if found := chromium.find():
    os.environ.setdefault("HIKI_CHROMIUM", str(found))
