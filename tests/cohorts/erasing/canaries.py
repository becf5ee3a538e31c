"""Somebody to be erased, and the search for what is left of them."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

from django.apps import apps
from django.db import connection
from django.utils import timezone

from analysis.services import erasures
from cohorts.services import uploads
from cohorts.services.erasing import erasure
from cohorts.services.tables.sent_tables import SentTable

CANARY = f"K{secrets.randbelow(10**9):09}"
PLASMA = {"platform": "LC-MS", "matrix": "plasma"}
HEAD = "participant,sex,group,enrolled_on,age_years,"
HEAD += "consent_version,consent_signed_on,consent_scopes"
PEOPLE = f"""{HEAD}
A001,f,hikikomori,2024-04-01,31,1.0,2024-04-01,store_samples;metabolomics;share_consortium
{CANARY},m,healthy_control,2024-04-02,33,1.0,2024-04-02,store_samples;metabolomics;share_consortium
A003,m,hikikomori,2024-04-02,27,1.0,2024-04-02,store_samples;metabolomics;share_consortium
"""
SAMPLES = f"""sample\tparticipant\tmaterial\tparent
T1\tA001\tplasma\t
T2\t{CANARY}\tplasma\t
T2a\t{CANARY}\tplasma\tT2
T3\tA003\tplasma\t
"""
ASSAYS = """sample,arginine [umol/L],ornithine [umol/L]
T1,82.5,51
T2,77.125,60
T3,"90.5",<0.5
"""


def send(site, kind, content, filename="", **options):
    content = content.encode() if isinstance(content, str) else content
    table = SentTable(kind, content, filename or f"{kind}.csv", options)
    return uploads.submit(site, table, by=None)


def erased(person, people, *, hours=25):
    """Asked for, approved, and the sweep that finds it so many hours later."""
    asked = erasure.request(person.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    erasures.execute_due(timezone.now() + timedelta(hours=hours))
    asked.refresh_from_db()
    return asked


def traces(code: str, folder: Path) -> list[str]:
    """Wherever the code still stands: every column of every table, every stored file."""
    found = []
    for model in apps.get_models():
        table = model._meta.db_table
        if not model._meta.managed or model._meta.proxy:
            continue  # a view of other tables, which are searched themselves
        for field in model._meta.local_concrete_fields:
            with connection.cursor() as cursor:
                cell = f'"{table}"."{field.column}"::text'
                cursor.execute(
                    f"SELECT count(*) FROM {table} "  # noqa: S608 - names of our own tables
                    f"WHERE position(%s in {cell}) > 0 OR position(%s in {cell}) > 0",
                    [code, code.encode().hex()],
                )
                if cursor.fetchone()[0]:
                    found.append(f"{table}.{field.column}")
    for path in folder.rglob("*"):
        if path.is_file() and code.encode() in path.read_bytes():
            found.append(path.name)
    return found
