"""The dictionary of features: canonical names, and the names under which sites send them."""

from __future__ import annotations

from typing import ClassVar, Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site


class FeatureQuerySet(ScopedQuerySet["Feature"]):
    resource = "dictionary"
    site_path = ""

    def waiting(self) -> Self:
        """Names that a table brought and nobody has decided on."""
        return self.filter(reviewed=False, ignored=False, merged_into=None)


class Feature(models.Model):
    """One analyte under its canonical name; sites' own names lead here through `FeatureAlias`."""

    class Identity(models.TextChoices):
        MOLECULE = "molecule", _("one molecule")
        ISOMERS = "isomers", _("isomers measured together")
        ASSAY = "assay", _("defined by its assay: a group, a protein, an activity, a count")

    name = models.CharField(max_length=200, unique=True)
    refmet_name = models.CharField(max_length=200, blank=True)
    hmdb = models.CharField(
        max_length=11,
        blank=True,
        validators=[
            RegexValidator(r"^HMDB\d{7}$", _("HMDB and seven digits, such as HMDB0000517."))
        ],
    )
    chebi = models.CharField(max_length=16, blank=True)
    inchikey = models.CharField(max_length=27, blank=True)
    molar_mass = models.FloatField(_("molar mass (g/mol)"), null=True, blank=True)
    canonical_unit = models.CharField(max_length=20, blank=True)
    chemical_class = models.CharField(max_length=80, blank=True)
    kind = models.CharField(max_length=20, default="concentration")
    identity = models.CharField(
        _("what the name stands for"),
        max_length=8,
        choices=Identity,
        blank=True,
        db_default="",
        help_text=_("Only one molecule has every identifier; empty: nobody has said."),
    )
    reviewed = models.BooleanField(
        default=False, help_text=_("Somebody has confirmed the identity of this name.")
    )
    ignored = models.BooleanField(
        default=False, help_text=_("Stored as sent, and read by no analysis.")
    )
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged"
    )

    objects: ClassVar = FeatureQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                name="feature_hmdb_once",
                fields=["hmdb"],
                condition=~Q(hmdb="") & Q(kind="concentration") & Q(merged_into=None),
                violation_error_message=_("Another feature has that HMDB identifier."),
            ),
            models.CheckConstraint(
                name="feature_of_isomers_has_no_structure",
                condition=~Q(identity="isomers") | Q(inchikey=""),
                violation_error_message=_(
                    "Isomers measured together have no one structure: leave the InChIKey empty, "
                    "or say that one molecule is meant."
                ),
            ),
            models.CheckConstraint(
                name="feature_of_an_assay_is_no_molecule",
                condition=~Q(identity="assay") | Q(hmdb="", chebi="", inchikey=""),
                violation_error_message=_(
                    "What its assay defines is no molecule: leave HMDB, ChEBI and InChIKey empty, "
                    "or say that one molecule is meant."
                ),
            ),
            models.CheckConstraint(
                name="feature_not_merged_into_itself",
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")),
                violation_error_message=_("A feature cannot be merged into itself."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FeatureAliasQuerySet(ScopedQuerySet["FeatureAlias"]):
    resource = "dictionary"
    site_path = ""


class FeatureAlias(models.Model):
    """A name under which a site, or everybody (no site), sends a feature."""

    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="aliases")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, blank=True)
    name = models.CharField(max_length=200)

    objects: ClassVar = FeatureAliasQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = _("feature aliases")
        constraints = [
            models.UniqueConstraint(
                name="alias_once",
                fields=["site", "name"],
                nulls_distinct=False,
                violation_error_message=_("This name leads to another feature already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} → {self.feature}"
