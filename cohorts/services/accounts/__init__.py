"""The people who log in: invited, staffed, told by mail, in the language that they read."""
