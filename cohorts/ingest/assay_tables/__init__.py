"""What an assay table says: its batches, columns, rows and values; `assays` reads it."""
