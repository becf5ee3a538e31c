"""Formats of repositories and of capture systems -> the tables that the checks take."""
