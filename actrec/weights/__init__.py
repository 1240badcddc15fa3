"""The checkpoint format and the catalogue of public weights."""
