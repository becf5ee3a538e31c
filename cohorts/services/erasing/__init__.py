"""A participant erased: from files, words and books; the ledger alone remembers."""
