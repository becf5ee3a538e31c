"""The steps of a run: each a pure function of what it reads."""
