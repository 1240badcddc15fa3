"""Fisher vectors against a literal loop over descriptors and Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from actrec.motion.fisher import Codebook, TrajectoryCode, fit_codebook, normalise
from actrec.systems.fusion import FeatureSVM


def literal(x: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """The gradients as they are printed, one number at a time, without normalisation."""
    count, size = x.shape
    words = len(weights)
    by_mean, by_deviation = np.zeros((words, size)), np.zeros((words, size))
    for n in range(count):
        likely = []
        for k in range(words):
            density = weights[k]
            for d in range(size):
                v = variances[k][d]
                density *= math.exp(-((x[n][d] - means[k][d]) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
            likely.append(density)
        for k in range(words):
            gamma = likely[k] / sum(likely)
            for d in range(size):
                z = (x[n][d] - means[k][d]) / math.sqrt(variances[k][d])
                by_mean[k][d] += gamma * z / (count * math.sqrt(weights[k]))
                by_deviation[k][d] += gamma * (z * z - 1) / (count * math.sqrt(2 * weights[k]))
    return np.concatenate([by_mean.ravel(), by_deviation.ravel()])


def small_book(rng: np.random.Generator) -> Codebook:
    weights = np.array([0.5, 0.3, 0.2])
    return Codebook(np.zeros(4), np.eye(4), weights, rng.normal(size=(3, 4)), rng.uniform(0.3, 2, (3, 4)))


def test_gradients_are_those_of_a_literal_loop(rng):
    book, x = small_book(rng), rng.normal(size=(9, 4))
    expected = literal(x, book.weights, book.means, book.variances)
    assert np.allclose(book.gradients(x), expected)
    assert np.allclose(book.gradients(x, piece=2), expected)  # piece by piece is the same


def test_one_descriptor_on_the_mean_of_one_gaussian_by_hand():
    book = Codebook(np.zeros(1), np.eye(1), np.ones(1), np.array([[2.0]]), np.array([[4.0]]))
    # z = 0: no pull on the mean; (0 − 1) / √2 on the deviation
    assert np.allclose(book.gradients(np.array([[2.0]])), [0, -(0.5**0.5)])
    # z = 2: 2 on the mean, (4 − 1) / √2 on the deviation
    assert np.allclose(book.gradients(np.array([[6.0]])), [2, 3 / 2**0.5])


def test_posteriors_are_scikit_learns(rng):
    book = small_book(rng)
    mixture = GaussianMixture(3, covariance_type="diag").fit(rng.normal(size=(50, 4)))
    mixture.weights_, mixture.means_, mixture.covariances_ = book.weights, book.means, book.variances
    mixture.precisions_cholesky_ = 1 / np.sqrt(book.variances)
    x = rng.normal(size=(20, 4))
    assert np.allclose(book.posteriors(x), mixture.predict_proba(x))


def test_power_then_length_one():
    assert np.allclose(normalise(np.array([9.0, -16.0, 0.0])), [3 / 5, -4 / 5, 0])
    assert not normalise(np.zeros(3)).any()


def test_the_code_of_a_clip_has_the_papers_size_and_survives_saving(rng, tmp_path):
    clips = [{"hog": rng.random((200, 96)), "trajectory": rng.normal(size=(200, 30))} for _ in range(3)]
    code = TrajectoryCode.fit(clips, rng, words=8)
    vector = code.encode(clips[0])
    assert vector.shape == (2 * 48 * 8 + 2 * 15 * 8,)  # 2DK each, D halved by PCA
    assert np.linalg.norm(vector[: 2 * 48 * 8]) == pytest.approx(1, abs=1e-5)
    code.save(tmp_path / "code.safetensors")
    assert np.array_equal(TrajectoryCode.load(tmp_path / "code.safetensors").encode(clips[0]), vector)


def test_a_clip_without_tracks_has_an_empty_code(rng):
    book = small_book(rng)
    assert not book.encode(np.zeros((0, 4))).any()


def test_too_few_descriptors_are_refused(rng):
    with pytest.raises(ValueError, match="256 Gaussians need at least 512"):
        fit_codebook(rng.normal(size=(100, 8)), rng)


def test_the_same_seed_gives_the_same_codebook(rng):
    x = rng.normal(size=(300, 6))
    first, second = (fit_codebook(x, np.random.default_rng(5), words=4) for _ in range(2))
    assert np.array_equal(first.means, second.means)


def test_the_svm_tells_two_kinds_of_movement_apart(rng):
    """Both kinds have tracks to the right and upwards; the second kind's are a little longer."""

    def clip(longer: float) -> dict[str, np.ndarray]:
        towards = np.eye(2)[rng.integers(0, 2, 60)][:, None]
        steps = towards * (1 + longer) + rng.normal(0, 0.5, (60, 15, 2))
        return {"trajectory": (steps / 15).reshape(60, 30)}

    labels = [i % 2 for i in range(40)]
    clips = [clip(0.2 * label) for label in labels]
    code = TrajectoryCode.fit(clips[:20], rng, words=2)
    vectors = np.stack([code.encode(c) for c in clips])
    svm = FeatureSVM().fit({"trajectory": vectors[:20]}, labels[:20])
    assert (svm.predict({"trajectory": vectors[20:]}) == labels[20:]).all()
