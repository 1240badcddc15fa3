"""One recipe per paper."""
