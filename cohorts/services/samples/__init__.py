"""Tubes in the laboratory: divided, moved, sent, destroyed; `biobank` registers them."""
