"""What the portal's pages ask, and the words in which they refuse."""
