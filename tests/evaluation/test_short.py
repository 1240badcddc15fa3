"""Short trainings by the project's own learner: they learn, and the same seed gives the same network."""

from __future__ import annotations

import numpy as np
from squares import moving

from actrec.claims import short_training
from actrec.systems import named


def test_a_short_training_learns_and_is_the_same_for_the_same_seed():
    system, source, budget = named("asym3d"), moving(0), short_training.Budget(40, 8)
    pupil = short_training.taught(system, source, 0, budget)
    assert pupil.figures()["top1"] >= 0.85
    few = short_training.Budget(3, 8)
    said = [short_training.taught(system, source, seed, few).outputs(source.validation) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])
