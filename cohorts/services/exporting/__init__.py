"""Records that leave the platform: which may, by whose leave, and on record."""
