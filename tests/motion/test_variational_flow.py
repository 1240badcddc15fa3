"""TV-L1 and Brox against exact ground truth and against another implementation."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from ground_truth import pair

from actrec.motion.brox import Constraint, Settings, brox, diffusivity
from actrec.motion.tvl1 import tvl1
from actrec.motion.warping import finer

STORED = Path(__file__).parent / "dual_tvl1_flow.npz"  # made by make_dual_tvl1_flow.py beside it
METHODS = {"tvl1": tvl1, "brox": brox}
ALLOWED = {"tvl1": 0.15, "brox": 0.20}  # pixels, mean end-point error


def found_flow(method, first: np.ndarray, second: np.ndarray, **options) -> np.ndarray:
    """Flow `[B, H, W, 2]` of pictures `[B, H, W]`."""
    flow = method(torch.from_numpy(first), torch.from_numpy(second), **options)
    return flow.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("longest", [1, 4, 8])
def test_end_point_error_against_ground_truth(name, longest):
    pairs = [pair(np.random.default_rng(seed), 100, 130, longest) for seed in (1, 2)]
    first, second, truth, inside = (np.stack(part) for part in zip(*pairs, strict=True))
    error = np.linalg.norm(found_flow(METHODS[name], first, second) - truth, axis=-1)
    for one, seen in zip(error, inside, strict=True):
        assert one[seen].mean() <= ALLOWED[name]


def test_tvl1_agrees_with_opencvs_on_textured_pixels():
    stored = np.load(STORED)
    pictures, theirs = stored["pictures"].astype(np.float32), stored["flow_in_64ths"] / 64
    assert np.median(np.linalg.norm(theirs, axis=-1)) > 1  # there is something to agree on
    gap = np.linalg.norm(found_flow(tvl1, pictures[:, 0], pictures[:, 1]) - theirs, axis=-1)
    down, across = np.gradient(pictures[:, 0], axis=(1, 2))
    textured = np.hypot(down, across) > 3
    assert textured.mean() > 0.5
    for one, where in zip(gap, textured, strict=True):
        assert np.median(one[where]) <= 0.10
        assert np.quantile(one[where], 0.9) <= 0.5


def test_tvl1_means_the_same_by_its_weight_as_opencvs():
    stored = np.load(STORED)
    first, second = stored["pictures"].astype(np.float32).swapaxes(0, 1)
    theirs = stored["flow_in_64ths"] / 64
    gaps = [
        np.linalg.norm(found_flow(tvl1, first, second, weight=weight) - theirs, axis=-1).mean()
        for weight in (0.05, 0.15, 0.45)
    ]
    assert gaps[1] == min(gaps)


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_gives_what_its_pairs_give_alone(name, monkeypatch):
    pairs = [pair(np.random.default_rng(seed), 60, 70, 3)[:2] for seed in range(3)]
    first, second = (np.stack(part) for part in zip(*pairs, strict=True))
    monkeypatch.setattr("actrec.motion.warping.PIXELS_AT_ONCE", 2 * 60 * 70)  # the last chunk is a short one
    together = found_flow(METHODS[name], first, second)
    for i in range(3):
        alone = found_flow(METHODS[name], first[i : i + 1], second[i : i + 1])[0]
        np.testing.assert_allclose(together[i], alone, atol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_pixels_that_leave_the_picture_follow_their_neighbours(name):
    first, second, truth, inside = pair(np.random.default_rng(5), 100, 130, 8)
    found = found_flow(METHODS[name], first[None], second[None])[0]
    assert (~inside).mean() > 0.02
    assert np.linalg.norm(found - truth, axis=-1)[~inside].mean() < 1.5


def test_more_relaxation_sweeps_leave_brox_where_it_was():
    first, second, _, _ = pair(np.random.default_rng(3), 64, 80, 3)
    few, many = (found_flow(brox, first[None], second[None], settings=Settings(sweeps=sweeps)) for sweeps in (8, 40))
    assert np.abs(few - many).mean() < 0.01


@pytest.mark.parametrize("name", METHODS)
def test_the_accelerator_finds_the_same_flow(name):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    first, second, _, _ = pair(np.random.default_rng(3), 100, 130, 4)
    pictures = torch.from_numpy(np.stack([first, second]))
    here = METHODS[name](pictures[:1], pictures[1:])
    there = METHODS[name](pictures[:1].cuda(), pictures[1:].cuda()).cpu()
    assert (here - there).abs().mean() < 0.01


def test_tvl1_has_the_published_weights_by_default():
    """Zach et al. 2007 and Sánchez et al. 2013: λ = 0.15, θ = 0.3, τ = 0.25."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(tvl1).parameters.items()}
    assert (defaults["weight"], defaults["theta"], defaults["tau"]) == (0.15, 0.3, 0.25)


def test_brox_weighs_the_constancy_of_both_gradients_by_gamma():
    """Where Iₓ = 2, I_y = 3, Iₓₓ = 5, I_xy = 7 and I_yy = 11: J₁₁ = 2² + γ (5² + 7²), J₂₂ = 3² + γ (7² + 11²)."""
    gamma, size = 4.0, (1, 1, 9, 9)
    slopes = torch.cat([torch.full(size, value) for value in (2.0, 3.0, 5.0, 7.0, 11.0)], 1)
    still = torch.zeros(2, 1, 9, 9)
    constraint = Constraint(torch.zeros(1, 3, 9, 9), finer(torch.zeros(size)), slopes, still, gamma)
    middle = [float(plane[0, 4, 4]) for plane in (constraint.j11, constraint.j12, constraint.j22)]
    assert middle == pytest.approx([4 + 4 * 74, 6 + 4 * (35 + 77), 9 + 4 * 170])


def test_brox_smooths_between_neighbours_by_the_mean_of_both_and_not_across_the_border():
    """A still flow has Ψ' = 1 / ε = 2 in each pixel, so 2 halfway too."""
    right, down = diffusivity(torch.zeros(2, 1, 4, 5), 0.5)
    assert right[0, :, :-1].unique().tolist() == [2] and right[0, :, -1].unique().tolist() == [0]
    assert down[0, :-1].unique().tolist() == [2] and down[0, -1].unique().tolist() == [0]
