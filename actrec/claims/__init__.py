"""The papers' claims as experiments, and their report."""
