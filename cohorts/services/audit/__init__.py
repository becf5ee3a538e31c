"""Who did, changed and read what: the trail, its seals, and the check of both."""
