"""What people read, in the language of who reads it."""
