"""Pages beside the daily ones: forms, second entries, moves, versions, one's own account."""

from __future__ import annotations

from datetime import date

from cohorts import history
from cohorts.models import Assessment, ConsentForm, Instrument, Site, Transfer
from cohorts.services import entries
from tests.factories import SCOPES, ParticipantFactory, user_with
from tests.portal import shelf

# Addresses that are no page to look at: a file, a redirect, or what a button sends.
NO_PAGE = {
    "audit-trail-csv",
    "upload-remarks",
    "dictionary-file",
    "run-latest",
    "token-revoke",
    "account-mails",
}
# Looked at, with axe, by another test: where.
ELSEWHERE = {"mfa_index": "test_sign_in_browser.py", "usersessions_list": "test_sign_in_browser.py"}


def pages_by_role(full: shelf.Shelf) -> dict[str, list[tuple[str, str]]]:
    """role -> (name, address), with the records that these pages show."""
    person, scale, typed = f"/participants/{full.person.pk}/", _scale(), _typed(full)
    form = ConsentForm.objects.create(
        site=full.site, version="2.0", language="ja", offered_scopes=list(SCOPES)
    )
    return {
        "SC": [
            *(("consent", "/sites/FUK/consent/"), ("withdrawal", "/sites/FUK/withdrawal/")),
            *(("upload", "/sites/FUK/upload/"), ("correct", f"{person}correct/")),
            *(("consent-forms", "/sites/FUK/consent-forms/"), ("merge", f"{person}merge/")),
            *(("consent-form", f"/consent-forms/{form.pk}/"), ("box-new", "/sites/FUK/boxes/new/")),
            *(("interview", f"{person}interview/"), ("scale", f"{person}scales/{scale.pk}/")),
            *(("transfer", f"/transfers/{_coming().pk}/"), ("account", "/account/tokens/")),
        ],
        "SD": [
            ("upload-report", f"/uploads/{full.batch.upload_id}/"),
            *(
                ("second-entry", f"/assessments/{typed.pk}/second/"),
                ("exports", "/sites/FUK/exports/"),
            ),
            ("two-entries", f"/assessments/{typed.pk}/entries/"),
        ],
        "CD": [
            *(("same", f"{person}same/"), ("different", f"{person}different/")),
            ("feature", f"/features/{full.batch.columns.first().feature_id}/"),
        ],
    }


def _scale() -> Instrument:
    return Instrument.objects.create(
        code="X3", title="Three items", n_items=3, item_min=0, item_max=3, languages=["ja"]
    )


def _typed(full: shelf.Shelf) -> Assessment:
    """A questionnaire that two people typed in, who read one answer differently."""
    nurse, other = user_with("SC", full.site), user_with("SD", full.site)
    scale = Instrument.objects.get(code="X3")
    with history.because("typed", user=nurse.pk):
        first = entries.record(
            full.person.pk, scale, [1, 2, 3], on=date(2024, 5, 1), by=nurse, language="ja"
        )
    entries.enter_again(first.pk, [1, 2, 0], by=other)
    return first


def _coming() -> Transfer:
    """Somebody whom Tokyo offers to Fukuoka."""
    there = Site.objects.get(code="TYO")
    mover = ParticipantFactory(site=there, code="TYO-900")
    return Transfer.objects.create(
        participant=mover,
        to_site=Site.objects.get(code="FUK"),
        reason="moved house",
        asked_by=user_with("SC", there),
    )
