"""The permission matrix, walked: every route, as everybody, at the own site and at another's."""
