"""Calibrated scores from what an engine gives: by a classifier's scores, or by the distance to the class centres."""

from __future__ import annotations

import numpy as np

from actrec.metrics.accuracy import softmax
from actrec.systems import System
from actrec.weights.cards import Card, WeightsError


def unit(codes: np.ndarray) -> np.ndarray:
    """Codes of length one."""
    return codes / np.linalg.norm(codes, axis=-1, keepdims=True).clip(1e-12)


def comparable(system: System, codes: np.ndarray) -> np.ndarray:
    """Codes as a system compares them with its centres: of length one, or as they come."""
    return unit(codes) if system.unit_length else codes


def centres_of(card: Card) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of a card's class centres, in the labels' order where they are the labels, and the centres."""
    centres = card.centres or {}
    order = tuple(card.labels) if set(centres) == set(card.labels) else tuple(centres)
    return order, np.array([centres[name] for name in order] or np.zeros((0, 1)), dtype=np.float32)


def gaps(codes: np.ndarray, centres: np.ndarray, card: Card) -> np.ndarray:
    """Euclidean distances [codes, centres]."""
    if len(centres) and centres.shape[1] != codes.shape[1]:
        raise WeightsError(
            f"The class centres of the weights '{card.name}' have {centres.shape[1]} numbers each, its "
            f"codes {codes.shape[1]}. They are damaged."
        )
    return np.linalg.norm(codes[:, None] - centres[None], axis=2)


def probabilities(system: System, card: Card, logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Calibrated scores that add up to one in each view: [views, classes]."""
    if system.decides == "centres":
        logits = -np.square(gaps(comparable(system, codes), centres_of(card)[1], card))
    return softmax(logits, card.temperature or 1.0)
