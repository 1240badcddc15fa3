"""Scores by the distance to class centres."""

from __future__ import annotations

import numpy as np
import pytest

from actrec.recognition.calibrated import probabilities
from actrec.systems import named
from actrec.weights.cards import Card


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, 3.0), (2.0, 1.5)])
def test_scores_by_centres_are_a_softmax_of_minus_the_squared_distance(temperature, expected):
    """Distances 1 and 2: squares 1 and 4, which differ by 3."""
    centres = {"a": [1.0, 0.0], "b": [-2.0, 0.0]}
    card = Card("x", "ms3d", ["a", "b"], "", "", 0, centres=centres, temperature=temperature)
    scores = probabilities(named("ms3d", {"embeddings": "free"}), card, np.zeros((1, 2)), np.zeros((1, 2)))
    assert scores[0].tolist() == pytest.approx([1 / (1 + np.exp(-expected)), 1 / (1 + np.exp(expected))])
