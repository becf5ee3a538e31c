"""What the API says of each record, and what it takes."""
