"""Which epoch's network ships: the most accurate one, of equals the one with the least loss, of the last stage only."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from small_runs import small

from actrec.training.distributed import World
from actrec.training.loop import Progress, Training


def best_of(epochs: list[tuple[float, float]], ships_from: int = 1) -> Progress:
    """The progress after epochs of (accuracy, loss); those before `ships_from` do not train the network that ships."""
    training = SimpleNamespace(
        progress=Progress(), settings=small("clips", keep="last"), world=World(), run=None,
        objective=SimpleNamespace(last_stage=lambda index: index + 1 >= ships_from),
    )  # fmt: skip
    for accuracy, loss in epochs:
        training.progress.epoch += 1
        Training._keep_best(training, accuracy, loss)
    return training.progress


@pytest.mark.parametrize(
    ("epochs", "best"),
    [
        ([(0.5, 1.0), (0.7, 2.0), (0.6, 0.1)], 2),  # accuracy first
        ([(0.7, 1.0), (0.7, 0.9), (0.7, 1.5)], 2),  # of equals the least loss
        ([(0.7, 0.9), (0.7, 0.9)], 1),  # of the same the first
    ],
)
def test_the_most_accurate_epoch_is_the_best_and_of_equals_the_one_with_the_least_loss(epochs, best):
    progress = best_of(epochs)
    assert progress.best_epoch == best and (progress.best_accuracy, progress.best_loss) == epochs[best - 1]


def test_an_epoch_of_an_earlier_stage_is_never_the_best():
    assert best_of([(0.9, 0.1), (0.4, 1.0), (0.5, 1.0)], ships_from=2).best_epoch == 3
