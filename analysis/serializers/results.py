"""What the API says of result tables, a row at a time."""

from __future__ import annotations

from rest_framework import serializers

from analysis.serializers.fields import Fields, number


class EffectRow(Fields):
    """A feature at a site in a stratum. Null where it cannot be estimated or may not be shown."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    site = serializers.CharField()
    estimate = number()
    se = number()
    df = number()
    p = number()
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    hedges_g = number()
    hedges_g_variance = number()
    adjusted_for = serializers.CharField(allow_blank=True)
    platform = serializers.CharField()
    matrix = serializers.CharField()
    scale = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    source_name = serializers.CharField(allow_null=True)
    hmdb = serializers.CharField(allow_null=True)
    n_below_lod = number()
    reason = serializers.CharField(allow_blank=True)


class PooledRow(Fields):
    """A feature over the sites, in Hedges g."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    estimate = number()
    se = number()
    ci_low = number()
    ci_high = number()
    p = number()
    q = number("p adjusted within the stratum")
    p_permutation = number("the feature's own p by permutations, if the plan asks for them")
    p_max_t = number("the same, adjusted for all features of the stratum")
    tau2 = number()
    i2 = number()
    q_statistic = number()
    q_p = number()
    pi_low = number("prediction interval")
    pi_high = number()
    n_sites = serializers.IntegerField(allow_null=True)
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class OneStageRow(Fields):
    """A feature in one mixed model over all sites, in within-site standard deviations."""

    stratum = serializers.CharField()
    feature = serializers.CharField()
    estimate = number()
    se = number()
    ci_low = number()
    ci_high = number()
    p = number()
    site_sd = number("standard deviation between the sites' levels")
    residual_sd = number()
    at_bound = serializers.BooleanField(allow_null=True)
    pooled_estimate = number("Hedges g, pooled in two stages")
    pooled_se = number()
    adjusted_for = serializers.CharField(allow_blank=True)
    n_sites = serializers.IntegerField(allow_null=True)
    n_case = serializers.IntegerField(allow_null=True)
    n_control = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
