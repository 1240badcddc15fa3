"""The repository against scikit-learn's NearestCentroid, by hand, on disk and under many threads."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from actrec.recognition.repository import Centres, Repository, RepositoryError


@pytest.fixture
def four() -> Repository:
    """Centres at the corners of a square of side 10."""
    repository = Repository()
    for label, x, y in (("wave", 0, 0), ("clap", 10, 0), ("jump", 0, 10), ("sit", 10, 10)):
        repository.add(label, np.array([[[x - 1.0, y], [x + 1.0, y]], [[x, y - 1.0], [x, y + 1.0]]]))
    return repository


def test_the_nearest_centre_is_scikit_learns(rng):
    from sklearn.neighbors import NearestCentroid

    labels = np.repeat(np.arange(6), 20)
    codes = rng.normal(size=(120, 16)) + rng.normal(size=(6, 16))[labels] * 0.7
    repository = Repository()
    for name in range(6):
        repository.add(str(name), codes[labels == name].reshape(5, 4, 16))  # w = 5 clips, p = 4 passes
    theirs = NearestCentroid().fit(codes, labels)
    assert repository.centres.vectors == pytest.approx(theirs.centroids_, abs=1e-6)
    ask = rng.normal(size=(300, 16))
    ours = [int(judgement.label) for judgement in repository.judge_many(ask)]
    assert ours == theirs.predict(ask).tolist()
    assert len(set(ours)) == 6


def test_distances_and_the_nearest_five_by_hand(four):
    judged = four.judge(np.array([3.0, 4.0]))
    assert judged.label == "wave"
    assert judged.distance == pytest.approx(5.0)
    assert [name for name, _ in judged.nearest] == ["wave", "jump", "clap", "sit"]
    # (3, 4) to (0, 10), (10, 0) and (10, 10)
    assert [d for _, d in judged.nearest] == pytest.approx([5, 45**0.5, 65**0.5, 85**0.5])
    for index in range(4):
        four.add(f"far {index}", np.array([[100.0 + index, 0]]))
    assert len(four.judge(np.array([3.0, 4.0])).nearest) == 5


def test_unknown_unless_nearer_than_the_threshold(four):
    assert not four.judge(np.array([500.0, 0])).unknown  # no threshold: nothing is unknown
    four.set_threshold(5.0)
    assert four.judge(np.array([3.0, 4.0])).unknown  # d = γ is not d < γ
    assert four.judge(np.array([3.0, 3.99])).label == "wave"
    assert four.judge(np.array([3.0, 4.0])).nearest[0][0] == "wave"  # what it would have been is still said
    with pytest.raises(RepositoryError, match="above zero"):
        four.set_threshold(0.0)


def test_calibration_keeps_the_stated_share_of_held_out_clips(four):
    # Ten clips of "wave" at distances 1…10 from its centre: γ just above the ninth for a quantile of 0.9.
    codes = np.stack([np.arange(1.0, 11.0), np.zeros(10)], axis=1)
    threshold = four.calibrate(codes, ["wave"] * 10, quantile=0.9)
    assert threshold == pytest.approx(9.0)
    own = np.linalg.norm(codes, axis=1)
    assert (own < threshold).sum() == 9
    assert four.centres.quantile == 0.9
    assert four.judge(np.array([-8.9, 0])).label == "wave"
    assert four.judge(np.array([-9.1, 0])).unknown
    with pytest.raises(RepositoryError, match="no class 'dance'"):
        four.calibrate(codes, ["dance"] * 10)
    with pytest.raises(RepositoryError, match="quantile"):
        four.calibrate(codes, ["wave"] * 10, quantile=95)


def test_an_extended_class_has_the_mean_of_all_its_codes(rng):
    codes = rng.normal(size=(7, 5))
    once, twice = Repository(), Repository()
    once.add("wave", codes)
    twice.add("wave", codes[:2])
    twice.add("wave", codes[2:])
    assert twice.centres.vectors == pytest.approx(once.centres.vectors, abs=1e-6)
    assert twice.centres.counts == (7,)


def test_remove_and_rename(four):
    four.remove("wave")
    assert four.labels == ("clap", "jump", "sit")
    assert four.judge(np.array([1.0, 0])).label == "clap"
    four.rename("clap", "applaud")
    assert four.judge(np.array([1.0, 0])).label == "applaud"
    with pytest.raises(RepositoryError, match="already"):
        four.rename("applaud", "sit")
    with pytest.raises(RepositoryError, match="no class 'wave'"):
        four.remove("wave")
    for label in four.labels:
        four.remove(label)
    with pytest.raises(RepositoryError, match="empty"):
        four.judge(np.zeros(2))
    four.add("new", np.zeros((1, 3)))  # an empty repository takes codes of any size
    assert four.judge(np.zeros(3)).label == "new"


@pytest.mark.parametrize(
    ("codes", "says"),
    [
        (np.zeros((2, 3)), "different networks"),
        (np.full((2, 2), np.nan), "not numbers"),
        (np.zeros((0, 2)), "codes"),
        (np.zeros(2), "codes"),
    ],
)
def test_codes_that_do_not_fit_are_refused_and_change_nothing(four, codes, says):
    before = four.centres
    with pytest.raises(RepositoryError, match=f"(?i){says}"):
        four.add("wave", codes)
    assert four.centres is before


@pytest.mark.parametrize("label", ["", "  ", "a\nb", "x" * 81])
def test_names_nobody_could_read_are_refused(four, label):
    with pytest.raises(RepositoryError, match="printable"):
        four.add(label, np.zeros((1, 2)))


def test_saved_and_loaded_it_is_the_same(four, tmp_path):
    four.calibrate(np.array([[1.0, 0], [2.0, 0]]), ["wave", "wave"])
    four.add("winken – 手を振る", np.array([[3.0, 3.0]]))
    four.save(tmp_path / "r")
    again = Repository.load(tmp_path / "r")
    assert again.labels == four.labels
    assert np.array_equal(again.centres.vectors, four.centres.vectors)
    assert again.centres.counts == four.centres.counts
    assert again.centres.threshold == four.centres.threshold
    four.remove("sit")
    four.save(tmp_path / "r")
    assert Repository.load(tmp_path / "r").labels == four.labels
    assert len(list((tmp_path / "r").iterdir())) == 2  # nothing old or temporary is left behind
    Repository().save(tmp_path / "r")
    assert len(Repository.load(tmp_path / "r")) == 0


def test_a_cards_centres_make_the_same_repository(four):
    four.set_threshold(3.0)
    now = four.centres
    written = json.dumps(dict(zip(now.labels, now.vectors.tolist(), strict=True)))
    again = Repository.from_card(json.loads(written), now.threshold)
    asked = np.array([[1.0, 2], [9, 9], [5, 5.5]])
    assert again.judge_many(asked) == four.judge_many(asked)


def test_a_write_that_fails_leaves_the_old_repository(four, tmp_path, monkeypatch):
    four.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    four.add("new", np.array([[5.0, 5.0]]))

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("actrec.core.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        four.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_broken_files_get_a_sentence(four, tmp_path):
    with pytest.raises(RepositoryError, match="holds no repository"):
        Repository.load(tmp_path)
    four.save(tmp_path)
    (centres,) = tmp_path.glob("*.safetensors")
    data = centres.read_bytes()
    centres.write_bytes(data[:-1] + b"\xff")
    with pytest.raises(RepositoryError, match="not those of its card"):
        Repository.load(tmp_path)
    (tmp_path / "repository.json").write_text("{")
    with pytest.raises(RepositoryError, match="cannot be read"):
        Repository.load(tmp_path)


def test_readers_and_writers_at_once_never_see_half_a_change(four, tmp_path):
    """Class k of a state has its centre at (k, k): labels and centres that do not belong together would show."""
    repository = Repository()
    repository.add("0", np.zeros((1, 2)))
    repository.save(tmp_path)
    stop, failures = threading.Event(), []

    def read() -> None:
        try:
            while not stop.is_set():
                for state in (repository.centres, Repository.load(tmp_path).centres):
                    assert [str(int(x)) for x, _ in state.vectors] == list(state.labels)
                judged = repository.judge(np.array([0.2, 0.2]))
                assert judged.label == "0"
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 40):
        repository.add(str(number), np.full((1, 2), float(number)))
        repository.save(tmp_path)
        if number % 3 == 0:
            repository.remove(str(number - 1))
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert isinstance(repository.centres, Centres)
    assert len(repository) == 40 - 13


def test_many_writers_at_once_lose_nothing():
    repository = Repository()
    together = threading.Barrier(6)

    def write(writer: int) -> None:
        together.wait()
        for number in range(40):
            repository.add(f"{writer}-{number}", np.full((1, 64), float(number)))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(repository) == 240
