"""Forms of the laboratory's pages. They ask; the services decide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.ingest.samples import MATERIALS
from cohorts.labels import MisreadCode, read_label
from cohorts.language.told import told
from cohorts.language.vocabulary import in_words
from cohorts.models import Destruction, Sample, Site, User
from cohorts.models.participant import CODE_PATTERN
from cohorts.sprec import SECOND_SPINS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


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

    VERBS = {
        "divide": _("Divide: take a volume into a new tube"),
        "thaw": _("Thaw once"),
        "move": _("Put into a box"),
        "measure": _("Record the volume, or correct it"),
        "process": _("Record how it was spun and is stored"),
    }
    verb = forms.ChoiceField(label=_("What is done"))
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
    material = forms.ChoiceField(
        label=_("Material"),
        required=False,
        help_text=_("Where the new tube holds another, such as DNA of whole blood."),
    )
    yields_ul = forms.DecimalField(
        label=_("It holds (µL)"),
        required=False,
        max_digits=10,
        decimal_places=2,
        help_text=_("Where another material was made of what was taken."),
    )
    centrifugation = forms.ChoiceField(label=_("First centrifugation"), required=False)
    second_centrifugation = forms.ChoiceField(label=_("Second centrifugation"), required=False)
    storage = forms.ChoiceField(label=_("Storage"), required=False)
    reason = forms.CharField(
        label=_("Why"),
        required=False,
        max_length=150,
        help_text=_("Where something that is recorded is corrected."),
    )
    box = forms.CharField(label=_("Box"), required=False, max_length=40)
    row = forms.IntegerField(label=_("Row"), required=False)
    column = forms.IntegerField(label=_("Column"), required=False)

    NEEDED = {
        "divide": ("code", "volume_ul"),
        "measure": ("volume_ul",),
        "move": ("box", "row", "column"),
    }

    def __init__(self, *args: Any, verbs: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        verb, field = self.fields["verb"], self.fields["material"]
        assert isinstance(verb, forms.ChoiceField)  # noqa: S101 - declared above
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
        verb.choices = [(name, self.VERBS[name]) for name in verbs]
        field.choices = [("", _("the same")), *((each, in_words(each)) for each in MATERIALS)]
        spins, as_it_is = Sample.Spin, ("", _("as it is recorded"))
        for name, known in (
            ("centrifugation", spins.choices),
            ("second_centrifugation", [each for each in spins.choices if each[0] in SECOND_SPINS]),
            ("storage", Sample.Storage.choices),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
            field.choices = [as_it_is, *((key, f"{key}: {words}") for key, words in known)]

    def clean(self) -> dict[str, Any]:
        """Each verb has its fields."""
        said: dict[str, Any] = super().clean() or {}
        for name in self.NEEDED.get(said.get("verb", ""), ()):
            if said.get(name) in (None, "") and name not in self.errors:
                self.add_error(name, _("This is needed here."))
        return said


class MomentField(forms.DateTimeField):
    """A time by the clock on the wall of one site."""

    zone = ZoneInfo("UTC")

    def clean(self, value: Any) -> Any:
        """Without an offset it is the site's time, as every other time on the page."""
        with timezone.override(self.zone):
            return super().clean(value)


def set_clock(form: forms.Form, zone: ZoneInfo) -> None:
    """Every time that the form asks for is one of this zone."""
    for field in form.fields.values():
        if isinstance(field, MomentField):
            field.zone = zone
            field.help_text = _("By the clock of %(zone)s.") % {"zone": zone.key}


def _moment(label: StrOrPromise) -> MomentField:
    return MomentField(
        label=label,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": _("Not a time; write YYYY-MM-DDTHH:MM.")},
    )


class ShipmentForm(PlainForm):
    """A manifest and its courier."""

    to_site = forms.ModelChoiceField(Site.objects.none(), label=_("To"))
    courier = forms.CharField(label=_("Courier"), max_length=80)
    reference = forms.CharField(label=_("Courier's number"), required=False, max_length=80)
    most_celsius = forms.FloatField(label=_("Warmest allowed (°C)"), initial=-60)
    sent_at = _moment(_("Handed over"))
    samples = forms.CharField(
        label=_("Tubes"),
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("One a line: the code, or the label as scanned."),
    )

    def __init__(self, *args: Any, site: Site, zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        set_clock(self, zone)
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

    received_at = _moment(_("Received"))
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
        help_text=_(
            "One a line: YYYY-MM-DDTHH:MM, then °C; by the same clock, or with an offset such as "
            "+00:00."
        ),
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=300)

    def __init__(self, *args: Any, zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone
        set_clock(self, zone)

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
                at = datetime.fromisoformat(when)
                found.append((at if at.tzinfo else at.replace(tzinfo=self.zone), float(celsius)))
            except ValueError as error:
                raise forms.ValidationError(
                    _(
                        "line %(number)s: %(line)s is not a time and a temperature; write "
                        "2026-05-01T09:30 -71.5."
                    )
                    % {"number": number, "line": repr(line.strip()[:60])}
                ) from error
        return found


class LateArrivalForm(ReceiptForm):
    """What turned up after the receipt."""

    note = forms.CharField(
        label=_("Where it was"), max_length=300, help_text=_("Such as: in the second box.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tubes"].help_text = _(
            "One a line: a tube that was missing, then damaged or thawed where it is."
        )


class DestructionForm(PlainForm):
    """The laboratory's record of one tube, or the data manager's approval."""

    verb = forms.ChoiceField(choices=[("record", _("Record")), ("approve", _("Approve"))])
    order = forms.TypedChoiceField(label=_("Tube"), coerce=int)
    destroyed_at = _moment(_("Destroyed"))
    method = forms.CharField(label=_("How and where"), max_length=120)
    witness = forms.ModelChoiceField(User.objects.none(), label=_("Witness"))

    def __init__(self, *args: Any, site: Site, zone: ZoneInfo, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        set_clock(self, zone)
        approving = self.data.get("verb") == "approve"
        orders = Destruction.objects.to_do().select_related("site").order_by("pk")
        if approving:
            orders = orders.filter(site=site)
        else:
            orders = orders.done_at(site).filter(recorded_at=None)
        field = self.fields["order"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
        # By the tube that somebody holds in the hand.
        named = [
            (each.pk, f"{each.tube_at(site)}, {told(each.place)}".strip(", ")) for each in orders
        ]
        field.choices = [("", "–"), *named]
        self.is_due = bool(named)
        field = self.fields["witness"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
        crew = User.objects.filter(memberships__site=site, is_active=True).distinct()
        field.queryset = crew.exclude(pk=by.pk)
        if approving:
            for name in ("destroyed_at", "method", "witness"):
                self.fields[name].required = False
