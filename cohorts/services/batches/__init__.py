"""Measured batches on the books: stored, judged, asked about, held back and voided."""
