"""This project beside its peers, in one run on one machine; not tests: nothing here can fail."""
