"""One file per paper and per family of baselines."""
