"""Arithmetic on scores: accuracy, calibration, telling the unknown apart, intervals."""
