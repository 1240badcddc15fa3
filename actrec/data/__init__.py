"""Data sets, their splits, the cache, and the synthetic actions."""
