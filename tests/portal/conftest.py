"""A browser on the live server, logged in without the login form, that reports what goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {
        **browser_type_launch_args,
        "executable_path": os.environ["HIKI_CHROMIUM"],
        "chromium_sandbox": False,
    }


@pytest.fixture(autouse=True, scope="session")
def _connections_end_with_their_request(django_db_setup):
    # A socket that the browser keeps open would keep its thread's database connection too, and a
    # database that somebody uses cannot be dropped.
    connections["default"].settings_dict["CONN_MAX_AGE"] = 0


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of the pages are kept: HIKI_PICTURES, else under the state folder."""
    folder = Path(os.environ.get("HIKI_PICTURES") or Path(settings.STATE_DIR) / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def picture(pictures):
    """A function: keep a picture of the whole page under that name."""

    def taken(page, name):
        page.screenshot(path=pictures / f"{name}.png", full_page=True, animations="disabled")

    return taken


@pytest.fixture
def open_as(browser, live_server):
    """A function: a page of a browser in which that user is logged in.

    ``page.complaints`` lists errors of scripts, of the console and of the content security policy.
    """
    contexts = []

    def opened(user=None, **options):
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}]
            )
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: page.complaints.append(said.text) if said.type == "error" else None,
        )
        return page

    yield opened
    for context in contexts:
        context.close()
