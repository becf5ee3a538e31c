"""Two at once, a lock that is held, connections used up: one wins, the others are told in words."""

import threading
import time
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import Client

from cohorts import retrying
from cohorts.errors import AlreadyWithdrawn, ChangedMeanwhile
from cohorts.models import Change, Participant, SentRequest, Upload, Withdrawal
from cohorts.services import consent, enrolment, repeats, uploads
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8
LONGER_THAN_ANY_TRY = 10.0
ROUNDS = 3
HEAD = "participant,sex,group,enrolled_on,birth_year\n"


@pytest.fixture(autouse=True)
def silent_broker(monkeypatch):
    monkeypatch.setattr("analysis.services.freshness.ring", lambda *_args, **_kwargs: True)


def at_once(act, n=AT_ONCE):
    """What each of n threads got when all of them did it at the same moment."""
    ready, got = threading.Barrier(n), [None] * n

    def one(number):
        try:
            ready.wait(10)
            got[number] = act(number)
        except Exception as error:  # noqa: BLE001 - the test reads it
            got[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


def table(*codes):
    lines = (f"{code},male,hikikomori,2024-04-01,1995\n" for code in codes)
    return SentTable("participants", (HEAD + "".join(lines)).encode(), "people.csv")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_same_file_sent_by_many_at_once_is_one_upload(number):
    site, sent = SiteFactory(), table("P1", "P2")
    got = at_once(lambda _: uploads.submit(site, sent, by=None))
    assert {upload.status for upload in got} == {Upload.Status.ACCEPTED}
    assert len({upload.pk for upload in got}) == 1
    assert (Participant.objects.count(), Change.objects.count()) == (2, 1)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_enrolments_of_one_code_one_wins_and_the_others_are_told(number):
    site = SiteFactory()
    got = at_once(lambda n: uploads.submit(site, table("P1", f"Q{n}"), by=None))
    states = [upload.status for upload in got]
    assert states.count(Upload.Status.ACCEPTED) == 1
    assert states.count(Upload.Status.REJECTED) == AT_ONCE - 1
    told = next(u for u in got if u.status == Upload.Status.REJECTED).report["faults"]
    assert any("P1" in fault["text"] for fault in told)
    assert Participant.objects.filter(code="P1").count() == 1
    assert Participant.objects.count() == 2


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_withdrawals_one_is_recorded(number):
    person = ParticipantFactory()
    got = at_once(lambda _: consent.withdraw(person.pk, level=3, by=None))
    assert sum(isinstance(each, Withdrawal) for each in got) == 1
    refused = [each for each in got if isinstance(each, AlreadyWithdrawn)]
    assert len(refused) == AT_ONCE - 1
    assert "has withdrawn already (no further use)" in refused[0].message


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_corrections_of_one_record_one_wins_and_the_others_look_again(number):
    person = ParticipantFactory(birth_year=1990, age_years=None)
    nurse = user_with("SC", person.site)

    def correct(n):
        year = {"birth_year": 1970 + n}
        return enrolment.correct(person.pk, year, reason="misread", by=nurse, version=1)

    got = at_once(correct)
    refused = [each for each in got if isinstance(each, ChangedMeanwhile)]
    assert len(refused) == AT_ONCE - 1
    assert "it is version 2, you have seen 1" in refused[0].message
    (done,) = [each for each in got if isinstance(each, Participant)]
    person.refresh_from_db()
    assert (person.version, person.birth_year) == (2, done.birth_year)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_requests_under_one_key_one_is_carried_out_and_the_others_wait(number):
    user = user_with("SC", SiteFactory())
    asked = {"key": "one", "route": "/", "digest": "0" * 64}
    got = at_once(lambda _: repeats.begin(user, **asked))
    assert sum(isinstance(each, SentRequest) for each in got) == 1
    assert sum(isinstance(each, repeats.StillAtWork) for each in got) == AT_ONCE - 1


def test_without_the_row_lock_the_test_of_withdrawals_would_find_two(monkeypatch):
    person = ParticipantFactory()
    rows = type(Participant.objects.all())
    monkeypatch.setattr(rows, "select_for_update", lambda self, **_: self)
    looked = threading.Barrier(2)
    standing = type(Withdrawal.objects.all()).effective

    def effective(self, on):
        found = standing(self, on)
        highest = list(found)
        looked.wait(10)
        return standing(self, on) if highest else found.none()

    monkeypatch.setattr(type(Withdrawal.objects.all()), "effective", effective)
    got = at_once(lambda _: consent.withdraw(person.pk, level=3, by=None), n=2)
    assert sum(isinstance(each, Withdrawal) for each in got) == 2


# --- a lock that somebody holds


@pytest.fixture
def impatient():
    """New connections wait 0.2 s for a lock, as a test must not wait longer."""
    options = connection.settings_dict["OPTIONS"]
    before = options["options"]
    options["options"] = "-c lock_timeout=200ms"
    connection.close()
    yield
    options["options"] = before
    connection.close()


@contextmanager
def held(person, seconds=LONGER_THAN_ANY_TRY):
    """Hold the row of a participant for so long, or until the block ends."""
    taken, enough = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Participant.objects.select_for_update().get(pk=person.pk)
            taken.set()
            enough.wait(seconds)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    try:
        yield
    finally:
        enough.set()
        thread.join()


def test_a_lock_that_is_soon_free_is_waited_for_in_a_second_try(impatient, caplog):
    person = ParticipantFactory()
    with held(person, 0.3):
        consent.withdraw(person.pk, level=3, by=None)
    assert Withdrawal.objects.count() == 1
    assert "withdraw met another transaction, try 1" in caplog.text


def test_of_two_in_each_others_way_the_one_that_gave_way_is_tried_again(caplog):
    people, both_hold = [ParticipantFactory(), ParticipantFactory()], threading.Barrier(2)
    first_try = {0, 1}

    @retrying.retried
    @transaction.atomic
    def crosswise(number):
        for person in people if number else reversed(people):
            Participant.objects.select_for_update().get(pk=person.pk)
            if number in first_try:
                first_try.remove(number)
                both_hold.wait(10)
        return number

    assert at_once(crosswise, n=2) == [0, 1]
    assert caplog.text.count("crosswise met another transaction, try 1") == 1


def test_a_lock_that_stays_is_told_after_three_tries_and_leaves_nothing(impatient, api, caplog):
    person = ParticipantFactory()
    api.force_authenticate(user_with("SC", person.site))
    body = {"site": person.site.code, "participant": person.code, "level": 3}
    with held(person):
        began = time.monotonic()
        answer = api.post("/api/v1/withdrawals", body, format="json")
        seconds = time.monotonic() - began
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == (
        "The database is busy or away; nothing was changed. Try again."
    )
    assert seconds < LONGER_THAN_ANY_TRY
    assert caplog.text.count("met another transaction") == retrying.TRIES - 1
    assert not Withdrawal.objects.exists()


def refused_at_first(tries, code):
    """A service that the database refuses at its first try."""

    @retrying.retried
    def service():
        tries.append(1)
        if len(tries) == 1:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE 'later' USING ERRCODE = '{code}'; END $$")

    return service


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_what_the_database_refuses_for_the_moment_is_tried_again(code):
    tries = []
    refused_at_first(tries, code)()
    assert len(tries) == 2


def test_inside_a_transaction_of_somebody_else_there_is_one_try():
    tries = []
    with pytest.raises(OperationalError), transaction.atomic():
        refused_at_first(tries, "40001")()
    assert len(tries) == 1


def test_no_session_waits_for_a_lock_without_end(settings):
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == (f"{settings.LOCK_TIMEOUT_SECONDS}s",)


def test_what_is_no_passing_trouble_is_not_tried_again():
    tries = []

    @retrying.retried
    def broken():
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        broken()
    connection.close()
    assert len(tries) == 1


# --- no connection left


@pytest.fixture
def one_connection_left():
    """The database takes no connection but the one that the test has already."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        (now,) = cursor.fetchone()
        cursor.execute(f"ALTER DATABASE {name} CONNECTION LIMIT {now}")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")


def test_without_a_free_connection_api_and_pages_say_503_at_once_and_recover(one_connection_left):
    def ask(number):
        began = time.monotonic()
        client = Client(raise_request_exception=False)
        client.cookies["sessionid"] = "a" * 32
        answer = client.get("/api/v1/sites" if number % 2 else "/runs/")
        return answer.status_code, answer.get("Retry-After"), time.monotonic() - began

    got = at_once(ask)
    assert {(status, after) for status, after, _ in got} == {(503, "5")}
    assert max(seconds for *_, seconds in got) < 5


def test_when_connections_are_free_again_so_is_the_platform(client):
    assert client.get("/runs/").status_code == 302
    assert client.get("/api/v1/sites").status_code == 401
