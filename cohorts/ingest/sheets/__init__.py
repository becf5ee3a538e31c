"""Spreadsheets -> rows of text, under limits of size."""
