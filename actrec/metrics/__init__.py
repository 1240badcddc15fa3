"""Arithmetic on scores: accuracy, calibration, recognising the unknown, intervals."""
