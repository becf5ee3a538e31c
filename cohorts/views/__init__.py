"""The portal's pages of people, samples, tables and accounts."""
