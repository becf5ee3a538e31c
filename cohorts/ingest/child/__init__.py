"""Files are parsed in a child process, so that no file can hurt the one that serves people."""
