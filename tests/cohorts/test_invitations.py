"""Accounts come by invitation, and only for roles that the inviting person may give."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import override_settings
from django.utils import timezone

from cohorts import access
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.models import Invitation, Membership, User
from cohorts.services.accounts import invitations
from tests.factories import PASSWORD, SiteFactory, user_with

pytestmark = pytest.mark.django_db
NEW = {"username": "mori", "password": "correct horse battery"}


def invited(client, email="mori@example.org", role="LT", site=None):
    client.post("/staff/", {"email": email, "role": role, "site": site.pk if site else ""})
    return re.search(r"/invitations/\S+/", mail.outbox[-1].body).group()


def test_a_data_manager_invites_a_technician_who_makes_an_account(client):
    site = SiteFactory(code="FUK")
    client.force_login(user_with("SD", site))
    link = invited(client, site=site)
    assert mail.outbox[0].to == ["mori@example.org"]
    client.logout()
    in_japanese = client.get(link, headers={"accept-language": "ja"}).text
    assert "パスワードは最低 12 文字以上必要です" in in_japanese
    assert "Your password" not in in_japanese
    assert client.post(link, NEW).status_code == 302
    assert access.roles_of(User.objects.get(username="mori")) == {"LT"}
    assert User.objects.get(username="mori").email == "mori@example.org"
    # The link works once.
    assert client.get(link).status_code == 404


def test_an_existing_account_takes_the_role_on(client):
    site = SiteFactory(code="FUK")
    client.force_login(user_with("AD"))
    link = invited(client, role="SC", site=site)
    kim = user_with("LT", site, username="kim")
    client.force_login(kim)
    assert b"kim" in client.get(link).content
    client.post(link)
    assert access.roles_of(kim) == {"LT", "SC"}


@pytest.mark.parametrize(
    ("by", "role", "at", "allowed"),
    [
        ("SD", "SC", "own", True),
        ("SD", "SD", "own", False),
        ("SD", "LT", "other", False),
        ("SD", "AD", None, False),
        ("SC", "LT", "own", False),
        ("CD", "LT", "own", False),
        ("AU", "LT", "own", False),
        ("AD", "CD", None, True),
        ("AD", "AU", "other", True),
    ],
)
def test_who_may_invite_whom(by, role, at, allowed):
    sites = {"own": SiteFactory(), "other": SiteFactory(), None: None}
    user = user_with(by, None if by in access.CONSORTIUM_ROLES else sites["own"])
    if allowed:
        invitations.invite("a@example.org", role, sites[at], by=user)
    else:
        with pytest.raises(NotAllowed, match="Your roles do not give that one away there"):
            invitations.invite("a@example.org", role, sites[at], by=user)


def test_an_invitation_runs_out_after_a_week_and_makes_room_for_the_next():
    admin = user_with("AD")
    _, key = invitations.invite("a@example.org", "CA", None, by=admin)
    with pytest.raises(UnusableRequest, match="invited to that role already"):
        invitations.invite("A@example.org ", "CA", None, by=admin)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(invitations.NoSuchInvitation, match="no longer holds"):
        invitations.of_key(key)
    invitations.invite("a@example.org", "CA", None, by=admin)


def test_an_invitation_ends_with_the_role_of_who_sent_it():
    site = SiteFactory()
    manager = user_with("SD", site)
    _, key = invitations.invite("a@example.org", "SC", site, by=manager)
    Membership.objects.filter(user=manager).update(until_date=timezone.localdate())
    with pytest.raises(invitations.NoSuchInvitation):
        invitations.accept(key, user_with("LT", site))


def test_an_invitation_that_is_taken_back_is_over(client):
    site = SiteFactory()
    client.force_login(user_with("SD", site))
    link = invited(client, site=site)
    client.post(f"/staff/invitations/{Invitation.objects.get().pk}/withdraw/")
    assert client.get(link).status_code == 404


def test_a_weak_password_makes_no_account(client):
    client.force_login(user_with("AD"))
    link = invited(client, role="CA")
    client.logout()
    answer = client.post(link, {"username": "mori", "password": "mori"})
    assert answer.status_code == 422
    assert b"at least 12 characters" in answer.content
    assert not User.objects.filter(username="mori").exists()


def test_a_role_is_ended_and_not_ones_own(client):
    site = SiteFactory()
    manager, nurse = user_with("SD", site), user_with("SC", site)
    client.force_login(manager)
    client.post(f"/staff/roles/{nurse.memberships.get().pk}/end/")
    assert access.roles_of(nurse) == set()
    assert client.post(f"/staff/roles/{manager.memberships.get().pk}/end/").status_code == 403
    assert access.roles_of(manager) == {"SD"}


def test_people_of_other_sites_are_not_there(client):
    here, there = SiteFactory(code="FUK"), SiteFactory(code="TYO")
    stranger = user_with("SC", there, username="stranger")
    client.force_login(user_with("SD", here))
    assert b"stranger" not in client.get("/staff/").content
    assert client.post(f"/staff/roles/{stranger.memberships.get().pk}/end/").status_code == 404


def test_mail_that_cannot_be_sent_leaves_the_link_to_pass_on(client):
    client.force_login(user_with("AD"))
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=1,
    ):
        answer = client.post("/staff/", {"email": "a@example.org", "role": "CA", "site": ""})
    assert b"could not be sent" in answer.content
    link = re.search(rb"http://testserver(/invitations/[\w-]+/)", answer.content).group(1).decode()
    client.logout()
    assert client.get(link).status_code == 200


def test_a_forgotten_password_is_set_anew_by_mail(client):
    user_with("SC", SiteFactory(), username="sato", email="sato@example.org")
    client.post("/account/password/forgotten/", {"email": "sato@example.org"})
    link = re.search(r"http://testserver(/account/password/new/\S+)", mail.outbox[0].body).group(1)
    form = client.get(link, follow=True)
    where = form.redirect_chain[-1][0]
    new = {"password1": "correct horse battery", "password2": "correct horse battery"}
    client.post(where, new)
    answer = client.post("/login/", {"login": "sato", "password": new["password1"]})
    assert answer.status_code == 302
    assert new["password1"] != PASSWORD
