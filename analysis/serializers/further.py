"""Rows of the tables that only some plans ask for."""

from __future__ import annotations

from rest_framework import serializers

from analysis.serializers.fields import Fields, number


class SensitivityRow(Fields):
    """A feature in one cell of the sensitivity grid; cell 0 is the analysis as planned."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    cell = serializers.IntegerField()
    changes = serializers.CharField(allow_blank=True, help_text="joined by +; none: as planned")
    estimate = number("Hedges g, pooled")
    se = number()
    ci_low = number()
    ci_high = number()
    p = number()
    tau2 = number()
    i2 = number("percent")
    n_sites = serializers.IntegerField(allow_null=True)
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    direction = serializers.ChoiceField(
        ["higher", "lower", "undecided", "not_testable", ""], help_text="of the interval"
    )
    side = serializers.ChoiceField(["same", "other", ""], help_text="as the estimate as planned")
    reason = serializers.CharField(allow_blank=True)


class ModeratedRow(Fields):
    """A site's effect with a moderated t test, beside its own se and p."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    site = serializers.CharField()
    estimate = number()
    se = number()
    t = number()
    df = number("its own and those borrowed")
    p = number()
    q = number("within stratum, site and platform")
    df_prior = number("what the panel's variances stand for; none: infinite")
    plain_se = number("of the effect by itself")
    plain_p = number()
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    adjusted_for = serializers.CharField(allow_blank=True)
    platform = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
