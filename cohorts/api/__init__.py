"""The records over HTTP, and what each answer passes on its way out."""
