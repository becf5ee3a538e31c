"""Records in the words of other programs: plain data in, text out; nothing is read or stored."""
