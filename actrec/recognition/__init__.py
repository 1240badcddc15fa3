"""Weights that answer: recognizer, predictions, the class repository, taught actions."""
