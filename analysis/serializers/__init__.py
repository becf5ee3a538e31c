"""What the API says of runs, claims and webhooks."""
