"""A small client of the analysts' API: the standard library and pandas, one file to copy.

    from hiki import Hiki

    hiki = Hiki("https://study.example.org", "hiki_...")
    pooled = hiki.pooled(hiki.latest("kyushu-2022"), q_below=0.05)

Every answer is kept with its ETag: asking again costs the server a 304 and gives the same frame.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

import pandas as pd

WORKING = ("queued", "running")
LONG_POLL_SECONDS = 25
PAGE_ROWS = 1_000
LOOK = "look at the address, and at what stands between you and it"
# 429 and 503 pass by themselves: the server says when to come back.
PASSING, TRIES, LONGEST_PAUSE = (429, 503), 5, 120.0


class HikiError(Exception):
    """A refusal, in the server's own words (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", f"The server gave no reason: {LOOK}."))
        self.errors: list[dict[str, str]] = list(problem.get("errors", []))
        self.request_id = str(problem.get("request_id", ""))
        fields = "".join(f" {each.get('pointer', '')}: {each['detail']}" for each in self.errors)
        named = f" (request {self.request_id})" if self.request_id else ""
        super().__init__(f"{status} {self.code}: {self.detail}{fields}{named}")


class NoAnswer(Exception):
    """The platform was not reached, or something else answered."""


class RunFailed(Exception):
    """A run that was waited for ended without results."""


class _NoRedirect(HTTPRedirectHandler):
    """The token goes to the address that it was given for, and nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Hiki:
    """One person's view of one platform.

    Parameters
    ----------
    url : the platform's address, such as "https://study.example.org"
    token : from the page Tokens; keep it in a file or a variable, not in a notebook
    timeout : seconds that one answer may take
    """

    url: str
    token: str = field(repr=False)
    timeout: float = 60.0
    _kept: dict[str, _Answer] = field(default_factory=dict, repr=False)
    _opener: OpenerDirector = field(
        default_factory=lambda: build_opener(_NoRedirect()), repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"{self.url!r} is no address: write it as https://...")
        self.url = self.url.rstrip("/")

    # --- runs

    def latest(self, plan: str) -> dict[str, Any]:
        """The newest published run of a plan that you may see."""
        return dict(self._get("runs/latest", plan=plan).body)

    def run(self, run: str | Mapping[str, Any]) -> dict[str, Any]:
        """What a run is, what it stands for today, and while it works, how far it is."""
        return dict(self._get(f"runs/{_id(run)}").body)

    def start(self, plan: str) -> dict[str, Any]:
        """Ask for a run; sent again if the answer is lost, it is still one run."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return dict(self._ask("POST", "runs", {"plan": plan}, key).body)

    def wait_for(self, run: str | Mapping[str, Any], *, at_most: float = 3600) -> dict[str, Any]:
        """The run once it is over; RunFailed if it has no results, TimeoutError after `at_most`."""
        until = time.monotonic() + at_most
        path = f"runs/{_id(run)}"
        while True:
            left = until - time.monotonic()
            answer = self._get(path, wait=max(0, min(LONG_POLL_SECONDS, int(left))))
            told: dict[str, Any] = answer.body
            if told["state"] not in WORKING:
                break
            if left <= 0:
                raise TimeoutError(f"Run {told['id']} is still {told['state']}: {told['step']}.")
            # A long poll waits at the server; Retry-After is for the one that came back at once.
            time.sleep(min(float(answer.headers.get("Retry-After", 2)), max(left, 0.1)))
        if told["state"] == "merged":  # an earlier run with the same inputs has its results
            return self.run(told["same_as"])
        if told["state"] != "published":
            raise RunFailed(f"Run {told['id']} is {told['state']}: {told['failure']}")
        return told

    # --- results

    def pooled(self, run: str | Mapping[str, Any], **choose: Any) -> pd.DataFrame:
        """Effects pooled over the sites; choose by feature, stratum, q_below, fields and so on."""
        return self._frame(f"runs/{_id(run)}/pooled", choose)

    def effects(self, run: str | Mapping[str, Any], **choose: Any) -> pd.DataFrame:
        """Effects by stratum, feature and site."""
        return self._frame(f"runs/{_id(run)}/effects", choose)

    def claims(
        self, run: str | Mapping[str, Any] | None = None, *, plan: str = "", **choose: Any
    ) -> pd.DataFrame:
        """Verdicts: of one run, or the standing ones of a plan (of every study without one)."""
        if run is not None:
            return self._frame(f"runs/{_id(run)}/claims", choose)
        return self._frame("claims", {"plan": plan, **choose} if plan else choose)

    def table(self, run: str | Mapping[str, Any], name: str, **choose: Any) -> pd.DataFrame:
        """Any other table of a run: "one-stage", "moderated" or "sensitivity"."""
        return self._frame(f"runs/{_id(run)}/{quote(name, safe='')}", choose)

    def document(self, run: str | Mapping[str, Any], name: str) -> dict[str, Any]:
        """What is no table: "classifier", "severity", "harmonisation", "changes" and so on."""
        return dict(self._get(f"runs/{_id(run)}/{quote(name, safe='')}").body)

    def changes(self, after: int = 0, **choose: Any) -> pd.DataFrame:
        """What arrived, was corrected, withdrawn or erased after the change with that id."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self._get("changes", after=after, page_size=PAGE_ROWS, **choose).body["results"]
            rows += page
            if len(page) < PAGE_ROWS:
                return pd.DataFrame(rows)
            after = page[-1]["id"]

    # --- the wire

    def _frame(self, path: str, choose: Mapping[str, Any]) -> pd.DataFrame:
        asked = {name.rstrip("_"): value for name, value in choose.items()}  # class_ is class
        if not isinstance(fields := asked.get("fields", ""), str):
            asked["fields"] = ",".join(fields)
        rows = self._get(path, **asked).body
        # Where there is no row, nothing names the columns that were asked for.
        named = asked["fields"].split(",") if fields and not rows else None
        frame = pd.DataFrame(rows, columns=named)
        empty = [name for name in frame.columns if frame[name].isna().all()]
        return frame.astype(dict.fromkeys(empty, float))

    def _get(self, path: str, **query: Any) -> _Answer:
        asked = f"{path}?{urlencode(query)}" if query else path
        kept_as = path if "wait" in query else asked
        known = self._kept.get(kept_as)
        etag = {"If-None-Match": known.headers["ETag"]} if known else {}
        answer = self._ask("GET", asked, None, etag)
        if answer.status == 304 and known is not None:
            return _Answer(304, {**known.headers, **answer.headers}, known.body)
        if "ETag" in answer.headers:
            self._kept[kept_as] = answer
        return answer

    def _ask(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> _Answer:
        for left in reversed(range(TRIES)):
            answer = self._once(method, path, body, headers)
            if answer.status not in PASSING or not left:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", 1)), LONGEST_PAUSE))
        fine = 200 <= answer.status < 300
        if fine and answer.body is None:
            raise NoAnswer(f"What answers at {self.url} is not the platform: {LOOK}.")
        if fine or answer.status == 304:
            return answer
        raise HikiError(answer.status, answer.body if isinstance(answer.body, dict) else {})

    def _once(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> _Answer:
        request = Request(  # noqa: S310 - the scheme was looked at in __post_init__
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/json",
                "Content-Type": "application/json",
                **headers,
            },
        )
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                return _Answer(answer.status, _named(answer.headers), _body_of(answer.read()))
        except HTTPError as refused:
            with refused:
                return _Answer(refused.code, _named(refused.headers), _body_of(refused.read()))
        except OSError as error:  # refused, cut off, timed out, no such host
            raise NoAnswer(
                f"{self.url} does not answer ({getattr(error, 'reason', error)}): {LOOK}."
            ) from error


def _id(run: str | Mapping[str, Any]) -> str:
    return quote(str(run if isinstance(run, str) else run["id"]), safe="")


def _named(headers: Any) -> dict[str, str]:
    """The headers that this client reads, however the server spells their names."""
    wanted = ("ETag", "Retry-After", "Location")
    return {name: headers[name] for name in wanted if headers[name] is not None}


def _body_of(sent: bytes) -> Any:
    try:
        return json.loads(sent) if sent else None
    except ValueError:
        return None  # a page of something between us and the platform: the status says enough
