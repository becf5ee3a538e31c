"""A study of two towns as a folder, and its import."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command

from cohorts.models import (
    Study,
)

TOML = """
title = "Two towns"
platform = "GC-MS"
material = "serum"

[consent]
scopes = ["store_samples", "metabolomics", "share_consortium"]
signed_on = 2020-01-01
basis = "published data"

[[site]]
code = "NOR"
name = "Northtown"
country = "NO"
where = { town = "north" }

[[site]]
code = "SOU"
name = "Southtown"
where = { town = "south" }

[participants]
file = "people.csv"
defaults = { enrolled_on = 2020-01-01 }
values = { group = { "1" = "ill", "0" = "well" } }

[participants.columns]
participant = "id"
sex = "gender"
age_years = "Alter"
group = "ill"
grade = "grade"

[samples]
file = "people.csv"
columns = { sample = "tube", participant = "id" }

[[assays]]
site = "NOR"
file = "north.csv"
sample = "tube"
unit = "relative"
zero_means = "below_lod"

[[assays]]
site = "SOU"
file = "south.csv"
sample = "tube"
unit = "relative"
scale = "ln"

[features]
file = "features.csv"
columns = { name = "column", hmdb = "hmdb", site_where = "town", source_name = "compound" }

[plan]
case = ["ill"]
control = ["well"]
outcome = "grade"
covariates = ["age_years", "bmi"]
"""
PEOPLE = """id,tube,town,gender,Alter,ill,grade,bmi,ward
n1,tn1,north,M,31,1,3,22.5,a
n2,tn2,north,F,42,0,0,,b
n3,tn3,north,M,53,,2,27,c
s1,ts1,south,f,24,1,1,20,a
s2,ts2,south,m,35,0,0,21,b
"""
NORTH = "tube,f1,f2,f3\ntn1,1.5,0,7\ntn2,2.5,4,8\ntn3,3.5,5,9\n"
SOUTH = "tube,f1,g2,g3\nts1,-0.5,0.25,1\nts2,0.5,0,-1\n"
FEATURES = """column,town,compound,hmdb
f1,north,C1_Arg,HMDB0000517
f2,north,Mystery,HMDB00099
f3,north,Other,METPA0433
f1,south,mystery two,HMDB0000099
g2,south,ARGININE,hmdb00517
g3,south,Other,
"""


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def edit(folder, name, old, new):
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    write(folder, name, text.replace(old, new))


def import_study(folder, **options):
    """The JSON that the command prints."""
    out = io.StringIO()
    call_command("import_study", str(folder), json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def refused(folder, code=1):
    """What the command says as it refuses."""
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("import_study", str(folder), stderr=err, stdout=io.StringIO())
    assert ended.value.code == code
    assert not Study.objects.filter(code="two-towns").exists()
    return err.getvalue()
