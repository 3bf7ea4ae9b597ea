"""How a flagged image is reprocessed, and when a candidate is accepted."""
