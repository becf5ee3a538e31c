"""Runs, results, claims and plans over HTTP."""
