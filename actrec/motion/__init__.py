"""Every motion clue the five papers draw from a clip."""
