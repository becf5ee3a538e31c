"""Forms of the laboratory's pages and of data queries. They ask; the services decide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.labels import MisreadCode, read_label
from cohorts.language.told import told
from cohorts.models import Site, User
from cohorts.models.participant import CODE_PATTERN
from cohorts.models.query import SUBJECTS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SUBJECT_WORDS = {
    "participant": _("Participant (its code)"),
    "sample": _("Sample (its code)"),
    "upload": _("Table that was sent (its id)"),
    "batch": _("Assay batch (its number)"),
    "assessment": _("Assessment (its number)"),
    "shipment": _("Shipment (its number)"),
}


class QueryTextForm(PlainForm):
    """An answer, a further question, or why a query is closed."""

    text = forms.CharField(
        label=_("Your words"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


class NewQueryForm(PlainForm):
    """A question about one record."""

    about_kind = forms.ChoiceField(
        label=_("About"), choices=[(name, SUBJECT_WORDS[name]) for name in SUBJECTS]
    )
    about = forms.CharField(label=_("Which one"), max_length=64)
    text = forms.CharField(
        label=_("What do you want to know?"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "No names or contact details. A laboratory reads questions about samples and "
            "batches: no sex, age, group or diagnosis there."
        ),
    )


class NewBoxForm(PlainForm):
    """A box that is put into a freezer."""

    code = forms.CharField(label=_("Code of the box"), max_length=40)
    place = forms.CharField(
        label=_("Place"), max_length=80, required=False, help_text=_("Freezer and shelf.")
    )
    n_rows = forms.IntegerField(label=_("Rows"), min_value=1, max_value=50, initial=9)
    n_columns = forms.IntegerField(label=_("Columns"), min_value=1, max_value=50, initial=9)


class MoveBoxForm(PlainForm):
    """Where the box stands from now on."""

    place = forms.CharField(label=_("New place"), max_length=80, help_text=_("Freezer and shelf."))
    reason = forms.CharField(label=_("Why"), max_length=300)


class TubeForm(PlainForm):
    """What is done with one tube; the fields that count are those of the verb."""

    verb = forms.ChoiceField(
        label=_("What is done"),
        choices=[
            ("divide", _("Divide: take a volume into a new tube")),
            ("thaw", _("Thaw once")),
            ("move", _("Put into a box")),
            ("measure", _("Record the volume")),
        ],
    )
    code = forms.CharField(
        label=_("New tube"),
        required=False,
        max_length=64,
        validators=[
            RegexValidator(CODE_PATTERN, _("Letters, digits, dot, dash and underscore only."))
        ],
    )
    volume_ul = forms.DecimalField(
        label=_("Volume (µL)"), required=False, max_digits=10, decimal_places=2
    )
    box = forms.CharField(label=_("Box"), required=False, max_length=40)
    row = forms.IntegerField(label=_("Row"), required=False)
    column = forms.IntegerField(label=_("Column"), required=False)

    NEEDED = {
        "divide": ("code", "volume_ul"),
        "measure": ("volume_ul",),
        "move": ("box", "row", "column"),
    }

    def clean(self) -> dict[str, Any]:
        """Each verb has its fields."""
        said: dict[str, Any] = super().clean() or {}
        for name in self.NEEDED.get(said.get("verb", ""), ()):
            if said.get(name) in (None, "") and name not in self.errors:
                self.add_error(name, _("This is needed here."))
        return said


def _moment(label: StrOrPromise) -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": _("Not a time; write YYYY-MM-DDTHH:MM.")},
    )


class ShipmentForm(PlainForm):
    """A manifest and its courier. Times are UTC, as the page says."""

    to_site = forms.ModelChoiceField(Site.objects.none(), label=_("To"))
    courier = forms.CharField(label=_("Courier"), max_length=80)
    reference = forms.CharField(label=_("Courier's number"), required=False, max_length=80)
    most_celsius = forms.FloatField(label=_("Warmest allowed (°C)"), initial=-60)
    sent_at = _moment(_("Handed over (UTC)"))
    samples = forms.CharField(
        label=_("Tubes"),
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("One a line: the code, or the label as scanned."),
    )

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["to_site"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
        field.queryset = Site.objects.filter(study=site.study_id).exclude(pk=site.pk)

    def clean_samples(self) -> list[str]:
        """Codes; a misread label stops here."""
        return [_code_of(line) for line in self.cleaned_data["samples"].split()]


def _code_of(text: str) -> str:
    try:
        return read_label(text)[1] if "/" in text else text
    except MisreadCode as error:
        raise forms.ValidationError(told(error.args[0])) from error


class ReceiptForm(PlainForm):
    """What was unpacked, and the courier's log."""

    received_at = _moment(_("Received (UTC)"))
    tubes = forms.CharField(
        label=_("Tubes that arrived"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_(
            "One a line: code or scanned label, then damaged or thawed where it is. "
            "Tubes of the manifest that are not named here are missing."
        ),
    )
    temperatures = forms.CharField(
        label=_("Temperature log"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("One a line: YYYY-MM-DDTHH:MM (UTC), then °C."),
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=300)

    def clean_tubes(self) -> dict[str, str]:
        """Code -> condition."""
        lines = [line.split() for line in self.cleaned_data["tubes"].splitlines() if line.strip()]
        return {_code_of(words[0]): words[1] if len(words) > 1 else "good" for words in lines}

    def clean_temperatures(self) -> list[tuple[datetime, float]]:
        """The log; a line that is none is named."""
        found = []
        for number, line in enumerate(self.cleaned_data["temperatures"].splitlines(), start=1):
            if not line.strip():
                continue
            try:
                when, celsius = line.replace(",", " ").split()
                found.append((datetime.fromisoformat(when).replace(tzinfo=UTC), float(celsius)))
            except ValueError as error:
                raise forms.ValidationError(
                    _(
                        "line %(number)s: %(line)s is not a time and a temperature; write "
                        "2026-05-01T09:30 -71.5."
                    )
                    % {"number": number, "line": repr(line.strip()[:60])}
                ) from error
        return found


class DestructionForm(PlainForm):
    """The laboratory's record of one tube, or the data manager's approval."""

    verb = forms.ChoiceField(choices=[("record", _("Record")), ("approve", _("Approve"))])
    order = forms.IntegerField(label=_("Order"))
    destroyed_at = _moment(_("Destroyed (UTC)"))
    method = forms.CharField(label=_("How and where"), max_length=120)
    witness = forms.ModelChoiceField(User.objects.none(), label=_("Witness"))

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["witness"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
        field.queryset = User.objects.filter(memberships__site=site, is_active=True).distinct()
        if self.data.get("verb") == "approve":
            for name in ("destroyed_at", "method", "witness"):
                self.fields[name].required = False
