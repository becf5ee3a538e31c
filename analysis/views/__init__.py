"""The portal's pages of runs, claims, sites and batches."""
