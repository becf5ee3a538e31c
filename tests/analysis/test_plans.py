"""A plan is data: what it may say, and what it is told when it says something else."""

import pytest
from django.core.exceptions import ValidationError

from analysis import plans

LEAST = {"case": ["hikikomori"], "control": ["healthy_control"]}


def test_the_least_plan_has_defaults_for_the_rest():
    plan = plans.parse(LEAST)
    assert (plan.harmonisation, plan.below_lod, plan.tau2) == ("combat", "half_minimum", "REML")
    assert plan.strata == ("all", "men", "women")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"covariate": []}, "plan: 'covariate' is not a setting; the settings are case, control,"),
        ({"case": []}, "plan: 'case' names no group; write the groups of that arm."),
        (
            {"control": ["hikikomori"]},
            "plan: ['hikikomori'] is both case and control; a person is in one arm only.",
        ),
        ({"tau2": "reml"}, "plan: tau2 is 'reml'; choose one of REML, DL,"),
        ({"harmonisation": "comb"}, "plan: harmonisation is 'comb'; choose one of combat,"),
        ({"below_lod": "zero"}, "plan: below_lod is 'zero'; choose one of half_minimum,"),
        ({"strata": ["boys"]}, "plan: stratum 'boys' is unknown; choose from all, men, women."),
        ({"n_trees": 1}, "plan: n_trees is 1; it lies between 10 and 5000."),
        ({"only_sex": "men"}, "plan: only_sex is 'men'; choose one of male, female."),
        (
            {"only_sex": "male"},
            "plan: the stratum women has nobody where only_sex is 'male'; take it off `strata`.",
        ),
        ({"case": "hikikomori"}, "plan: case is 'hikikomori'; write a list of names, such as"),
        ({"covariates": [["bmi"]]}, "plan: covariates is [['bmi']]; write a list of names"),
        ({"strata": ["all", "all"]}, "plan: strata names something twice; name each once."),
        ({"scopes": ["metabolomic"]}, "plan: scope 'metabolomic' is unknown; choose from store_"),
        ({"tau2": ["REML"]}, "plan: tau2 is ['REML']; write a text in quotes."),
        ({"class_scores": ["x"]}, "plan: class_scores is ['x']; write the features of each class"),
        ({"class_scores": {"x": []}}, "plan: class_scores of 'x' names no features; write a list"),
        ({"one_stage": 1}, "plan: one_stage is 1; write true or false."),
        ({"handling_clean": "no"}, "plan: handling_clean is 'no'; write true or false."),
        (
            {"sensitivity": ["drugs"]},
            "plan: sensitivity 'drugs' is unknown; choose from drug-free, fasting, handling,",
        ),
        ({"sensitivity": ["fasting", "fasting"]}, "plan: sensitivity names a change twice;"),
        (
            {"sensitivity": ["drug-free"], "drug_free_only": True},
            "plan: sensitivity 'drug-free' changes nothing where drug_free_only is true;",
        ),
        ({"bmi": ""}, "plan: bmi is ''; write the name of a variable."),
        ({"nested": "yes"}, "plan: nested is 'yes'; write true or false."),
        (
            {"partial_auc_from": 0.8},
            "plan: partial_auc_from is of the nested classifiers; set `nested` to true or drop it.",
        ),
        (
            {"nested": True, "partial_auc_from": 1},
            "plan: partial_auc_from is 1; it lies between 0 and 0.99.",
        ),
        (
            {"transport_to": [""]},
            "plan: transport_to '' is no site's code; write codes such as FUK.",
        ),
        ({"moderated": "limma"}, "plan: moderated is 'limma'; choose one of plain, trend,"),
        (
            {"language_check": "report"},
            "plan: language_check compares the items of the outcome, and there is none;",
        ),
        ({"seed": "x"}, "plan: seed is 'x'; it lies between 0 and"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(setting, sentence):
    with pytest.raises(ValidationError) as refusal:
        plans.parse(LEAST | setting)
    assert any(message.startswith(sentence) for message in refusal.value.messages)


def test_every_fault_is_told_at_once():
    with pytest.raises(ValidationError) as refusal:
        plans.parse(LEAST | {"tau2": "x", "test": "x", "strata": ["x"]})
    assert len(refusal.value.messages) == 3


def test_the_digest_is_that_of_everything_said_and_left_unsaid():
    assert plans.parse(LEAST).digest == plans.parse(LEAST | {"tau2": "REML"}).digest
    assert plans.parse(LEAST).digest != plans.parse(LEAST | {"tau2": "DL"}).digest
