"""Every answer to an analyst passes the disclosure rules, whatever address and form it has.

A small site's values are so far from all others that its numbers are known wherever they stand. Two
versions are released; all that an analyst can ask for is read, and subtracted.
"""

from __future__ import annotations

import ast
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from analysis.models import Claim, Plan, Run, RunTable
from analysis.services import refusals
from analysis.services.disclosure import hidden_rows, judged_tables
from analysis.services.disclosure.suppression import by_a_few
from tests.analysis.published_study import ARMS, FEATURES, PLAN, a_site, published
from tests.analysis.test_withholding import _solved
from tests.factories import StudyFactory, assayed_batch, assayed_site, user_with

pytestmark = pytest.mark.django_db
K = 10
PAGES_OF_A_KIND = 4
SMALL = "MRK"
NUMBER = re.compile(r"(?<![\w.-])[-+]?\d+(?:\.\d+)?(?![\w.])")
TAGS = re.compile(r"<(script|style|svg)\b.*?</\1>|<[^>]*>", re.S)
TABLES = ("effects", "pooled", "moderated", "one_stage", "sensitivity")
FORMS = ("json", "csv", "parquet")
PEOPLE = ["n_case", "n_control"]


def far_off(n_case: int, n_control: int, seed: int) -> dict[str, object]:
    """People whose cases have 2^311 times what the controls have."""
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(3, 0.3, (n_case + n_control, len(FEATURES))))
    values[:n_case] *= 2.0**311
    group = ["hikikomori"] * n_case + ["healthy_control"] * n_control
    sex = (["male", "female"] * (n_case + n_control))[: n_case + n_control]
    return {"values": values, "group": group, "features": FEATURES, "sex": sex}


@pytest.fixture(scope="module")
def versions(django_db_setup, django_db_blocker) -> Iterator[list[Run]]:
    """Two released runs: between them 24 people come to a large site, and 2 to the small one."""
    with django_db_blocker.unblock():
        try:
            sites = [a_site(code, seed) for seed, code in enumerate(("FUK", "OSA", "TYO"))]
            small = assayed_site(SMALL, **far_off(7, 8, 5))
            more = {"moderated": "robust", "one_stage": True, "sensitivity": ["drug-free"]}
            plan = Plan.objects.create(study=StudyFactory(), name="kyushu", data=PLAN | more)
            Claim.objects.create(
                code="K1",
                study=plan.study,
                kind="feature",
                marker=FEATURES[0],
                markers=[FEATURES[0]],
                matrix="plasma",
                stratum="all",
                direction="higher",
                doi="10.1/x",
                citation="A paper.",
            )
            found = [published(plan)]
            more = {"group": ARMS, "features": FEATURES, "sex": ["male", "female"] * 12}
            values = np.exp(np.random.default_rng(9).normal(3, 0.3, (24, len(FEATURES))))
            assayed_batch(sites[1], values, **more)
            assayed_batch(small, **far_off(1, 1, 6))
            found.append(published(plan))
            assert all(run.released_at for run in found)
            yield found
        finally:
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def marks(versions) -> np.ndarray:
    """The small site's numbers that nothing else comes near to."""
    frames = [RunTable.objects.get(run=run, name="effects").frame for run in versions]
    rows = pd.concat([frame[frame["site"] == SMALL] for frame in frames])
    found = rows[["estimate", "hedges_g"]].to_numpy().ravel()
    return np.unique(found[np.isfinite(found) & (np.abs(found) > 100)])


@pytest.fixture
def asked_freely(monkeypatch) -> None:
    monkeypatch.setattr(refusals, "A_DAY", 10_000)


# --- everything that can be asked for


@pytest.fixture(scope="module")
def described() -> list[str]:
    """Every GET of the API's own description."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [path.rstrip("/") for path, verbs in paths.items() if "get" in verbs]


def addresses(described: list[str], versions: list[Run]) -> list[str]:
    """With ids of what is there; tables of the newest run in every form."""
    known, found = {"plans": str(versions[0].plan_id), "claims": "K1", "sites": SMALL}, []
    for path in described:
        kind = path.split("/")[3]
        ids = [str(run.pk) for run in versions] if kind == "runs" else [known.get(kind, "1")]
        for each in ids if "{" in path else [""]:
            asked = re.sub(r"{\w+}", each, path)
            found.append(f"{asked}?plan=kyushu" if path.endswith("latest") else asked)
            named = asked.split("/")[-1].replace("-", "_")
            if each == str(versions[-1].pk) and named in (*TABLES, "claims"):
                found += [f"{asked}?format={form}" for form in FORMS]
    return found


def pages(client) -> Iterator[tuple[str, str]]:
    """Pages to which links lead from the first one, some of each kind."""
    waiting, seen, n_of = ["/"], {"/"}, Counter[str]()
    while waiting:
        address = waiting.pop(0)
        answer = client.get(address, follow=True)
        kind = answer.headers.get("Content-Type", "")
        if not kind.startswith(("text/", "image/svg")):
            continue
        text = texts_of(answer)
        yield address, TAGS.sub(" ", text)
        for link in re.findall(r'href="([^"#]+)"', text):
            target = urlsplit(urljoin(address, link.replace("&amp;", "&")))
            if target.netloc or re.match(r"/(static|accounts?|admin|api)/", target.path):
                continue
            there = f"{target.path}?{target.query}" if target.query else target.path
            name = resolve(target.path).view_name
            if there not in seen and n_of[name] < PAGES_OF_A_KIND:
                seen.add(there)
                n_of[name] += 1
                waiting.append(there)


def texts_of(answer) -> str:
    """What an answer says, its headers too; a file's tables as CSV."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    said = {name: text for name, text in answer.headers.items() if name != "Content-Length"}
    head = " ".join(f"{name} {text}" for name, text in said.items())
    if body[:4] == b"PAR1":
        return head + pd.read_parquet(io.BytesIO(body)).to_csv()
    if body[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(body)) as files:
            return head + " ".join(files.read(name).decode() for name in files.namelist())
    return head + " " + body.decode()


def told_of(marks: np.ndarray, text: str) -> list[float]:
    """Numbers of the text that are a mark, or one to three digits."""
    numbers = np.abs([float(each) for each in NUMBER.findall(text)] or [0.0])
    near = np.abs(numbers[:, None] / np.abs(marks)[None, :] - 1).min(axis=1) < 0.005
    return [float(each) for each in numbers[near]]


def read_everything(asked: list[str], client) -> dict[str, str]:
    found = {}
    for address in asked:
        answer = client.get(address)
        assert answer.status_code < 500, address
        if answer.status_code == 200:
            found[address] = texts_of(answer)
    return found


def where_told(marks: np.ndarray, told: dict[str, str]) -> set[str]:
    return {address for address, text in told.items() if told_of(marks, text)}


def test_no_answer_of_the_api_tells_a_number_of_the_small_site(
    described, versions, marks, client_of, asked_freely
):
    told = read_everything(addresses(described, versions), client_of("CA"))
    assert where_told(marks, told) == set()
    for run in versions:
        for part in (*TABLES, "claims", "classifier", "harmonisation", "changes", "crate"):
            assert f"/api/v1/runs/{run.pk}/{part.replace('_', '-')}" in told
    # Whoever sees everything finds them in each form.
    here = f"/api/v1/runs/{versions[-1].pk}"
    asked = [f"{here}/effects?format={form}" for form in FORMS] + [f"{here}/crate"]
    assert where_told(marks, read_everything(asked, client_of("CD"))) == set(asked)


def test_no_page_tells_a_number_of_the_small_site(versions, marks, browse, asked_freely):
    told = dict(pages(browse(user_with("CA"))))
    assert where_told(marks, told) == set()
    for run in versions:
        assert f"/runs/{run.pk}/" in told
    page = browse(user_with("CD")).get(f"/runs/{versions[0].pk}/")
    assert told_of(marks, TAGS.sub(" ", page.content.decode()))


def test_without_the_threshold_the_numbers_are_found(versions, marks, client_of, monkeypatch):
    """The same reading finds them as soon as the one module lets them through."""
    monkeypatch.setattr(
        hidden_rows, "few_in_an_arm", lambda frame, k: np.zeros(len(frame), dtype=bool)
    )
    monkeypatch.setattr(hidden_rows, "completed", lambda *_, **__: frozenset())
    here = f"/api/v1/runs/{versions[0].pk}"
    asked = [f"{here}/effects?format={form}" for form in FORMS] + [f"{here}/crate"]
    assert where_told(marks, read_everything(asked, client_of("CA"))) == set(asked)


# --- two versions, subtracted


def cells_of(run: Run, client) -> pd.DataFrame:
    """By feature, stratum and site ("" is the pool) with an estimate: people, and whether told."""
    parts = []
    for name in ("effects", "pooled"):
        exact = RunTable.objects.get(run=run, name=name).frame
        answer = client.get(f"/api/v1/runs/{run.pk}/{name}").json()
        told = [row["estimate"] is not None for row in answer]
        sites = exact.get("site", "")
        part = exact[["feature", "stratum", "n_case", "n_control"]].assign(site=sites, told=told)
        parts.append(part[exact["estimate"].notna().to_numpy()])
    return pd.concat(parts).set_index(["feature", "stratum", "site"])


def determined(cells: pd.DataFrame, told: pd.Series) -> pd.DataFrame:
    """The cells that the told ones and their sums fix."""
    known = told.tolist()
    return cells[np.array(known) | _solved(list(cells.index), known)]


def worked_out(versions: list[Run], client) -> list[tuple[str, ...]]:
    """Cells on a few people, or moved by a few, that an analyst can work out."""
    then, now = (cells_of(run, client) for run in versions)
    found = []
    for feature in FEATURES:
        one, other = then.loc[feature], now.loc[feature]
        for cells in (one, other):
            fixed = determined(cells, cells["told"])
            found += [(feature, *cell) for cell in fixed.index[fixed[PEOPLE].min(axis=1) < K]]
        both = one.merge(other, left_index=True, right_index=True, suffixes=("", "_now"))
        for cell, row in determined(both, both["told"] & both["told_now"]).iterrows():
            moved = tuple(row[f"{arm}_now"] - row[arm] for arm in PEOPLE)
            found += [(feature, *cell)] if by_a_few([moved], K) else []
    return found


def test_nothing_of_a_few_can_be_worked_out_of_two_versions(
    versions, client_of, asked_freely, monkeypatch
):
    analyst = client_of("CA")
    assert worked_out(versions, analyst) == []
    assert cells_of(versions[1], analyst)["told"].any()
    # Were rows not kept back beside the earlier version, the few who came could be worked out.
    monkeypatch.setattr(
        RunTable, "withheld_rows", property(lambda row: np.zeros(len(row.frame), bool))
    )
    monkeypatch.setattr(hidden_rows, "completed", lambda table, hidden, *_, **__: frozenset(hidden))
    judged_tables.forget()
    assert worked_out(versions, client_of("CA"))


# --- one way out

FACES = ("analysis/api", "analysis/views", "analysis/plots", "analysis/serializers")
FACES += ("analysis/templatetags", "cohorts/api", "cohorts/views")
STORED = {"RunTable", "RunDocument", "Verdict", "StoredTable"}
# The sentences of verdicts that are shown already, in the reader's language.
ALLOWED = {("analysis/views/claim_readings.py", "Verdict")}


def test_no_face_reads_a_stored_result_itself():
    """What it shows comes from services that ask `release`."""
    root = Path(__file__).resolve().parent.parent.parent
    found = set()
    for folder in FACES:
        for path in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr == "objects":
                    name = ast.unparse(node.value).split(".")[-1]
                    found |= {(str(path.relative_to(root)), name)} if name in STORED else set()
                if isinstance(node, ast.Attribute) and node.attr in ("frame", "withheld_rows"):
                    found.add((str(path.relative_to(root)), node.attr))
    assert found == ALLOWED
