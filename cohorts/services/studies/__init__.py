"""A whole existing cohort, from its folder to the records."""
