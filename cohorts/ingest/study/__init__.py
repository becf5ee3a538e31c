"""study.toml, and a cohort's own tables brought into the study's shape."""
