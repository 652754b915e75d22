"""Deduplication: reductions that decide which documents a dataset can do without."""
