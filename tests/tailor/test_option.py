"""The tailor as an option of MS3D: where its window is, how often it is found, what eq. 7 and 8 do to the views."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from actrec.__main__ import main
from actrec.core.errors import BadValue
from actrec.data.sources import Split
from actrec.explain import tailoring
from actrec.explain.over_time import Windows, clip_maps
from actrec.explain.saliency import ClassSaliency, on_frames
from actrec.people import find
from actrec.people.boxes import squared
from actrec.recognition.recognizer import Recognizer
from actrec.recognition.results import timeline
from actrec.systems import named, recorded
from actrec.tailor import option
from actrec.tailor.option import Tailor, last_seconds, searched
from actrec.training.load_data import stored
from actrec.video import Clip
from actrec.video.camera import CameraBuffer
from actrec.weights.cards import Card

BOX = (30, 20, 60, 50)  # what the detector of these tests sees; a margin of 15 % of 30 pixels: 25.5 … 64.5, 15.5 … 54.5
WINDOW = [25, 15, 65, 55]


class Seeing:
    """A detector that says where people are: in a box, or nowhere."""

    card = SimpleNamespace(architecture="seeing.yaml", confidence=0.25)

    def __init__(self, *boxes: tuple[int, ...]) -> None:
        self.boxes, self.frames, self.calls = boxes, 0, 0

    def detect(self, frames: np.ndarray, batch: int = 8) -> list[np.ndarray]:
        self.frames, self.calls = self.frames + len(frames), self.calls + 1
        people = np.array([[*box, 0.9] for box in self.boxes], np.float32).reshape(-1, 5)
        return [people] * len(frames)


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch) -> Seeing:
    """The process's detector, and nothing remembered of other tests' clips."""
    detector = Seeing(BOX)
    monkeypatch.setattr(option, "the_detector", lambda: detector)
    monkeypatch.setattr(option, "_BOXES", option._Boxes())
    return detector


def grey(frames: int = 121, fps: float = 30.0, size: tuple[int, int] = (80, 120), level: int = 100) -> Clip:
    return Clip(np.full((frames, *size, 3), level, np.uint8), np.arange(frames) / fps)


# --- where ----------------------------------------------------------------------------------------


def test_the_window_is_the_box_with_its_margin_in_whole_pixels(seeing):
    assert Tailor().window(grey()).tolist() == WINDOW
    assert Tailor()(grey()).size == (40, 40)


def test_a_view_of_a_tailored_clip_is_bright_inside_and_decays_outside(seeing):
    """100 · 1.2 = 120 inside (eq. 7), 100 · 0.9 = 90 in the first ring (eq. 8); the window of 40 fills the square of
    96, in which the box begins at 5 / 40 · 96 = 12."""
    for name in ("one", "clip", "paper"):
        view = named("ms3d", {"tailor": "people"}).protocols[name].views(grey())[0]
        for pathway in view.values():
            assert pathway[:, :, 48, 48].tolist() == [[120] * pathway.shape[1]] * 3
            assert (pathway[:, :, 4, 4] == 90).all() and (pathway[:, :, 48, 91] == 90).all()
            assert (pathway[:, :, 48, 15] == 120).all() and (pathway[:, :, 48, 9] == 90).all()


def test_eta_and_xi_are_the_factors(seeing):
    view = named("ms3d", {"tailor": "people", "eta": 2, "xi": 0.5}).protocols["one"].views(grey())[0]["slow"]
    assert (view[:, :, 48, 48] == 200).all() and (view[:, :, 4, 4] == 50).all()
    wide = Tailor("people", 1.5, 0.5)
    seeing.boxes = ((0, 0, 40, 40),)  # 15 % of 40: six pixels beyond the box, the sixth in the second ring
    cut = wide(grey(60, level=80)).frames[0, :, :, 0]
    assert cut.shape == (46, 46)
    assert cut[20].tolist() == [120] * 40 + [40] * 5 + [20]  # 80·1.5, 80·0.5, 80·0.25


def test_without_the_tailor_the_whole_frame_is_seen_and_nobody_is_looked_for(seeing):
    system = named("ms3d")
    assert (system.protocols["one"].views(grey())[0]["slow"][:, :, 48, :] == 100).all()
    assert system.window is None and seeing.calls == 0


def test_the_variance_rate_is_the_tailored_frames(seeing):
    """What flickers outside the window is not drawn: 25 pairs move inside it, and others outside."""
    clip = grey()
    clip.frames[:, 60:, 80:] = np.random.default_rng(0).integers(0, 255, (121, 20, 40, 3), np.uint8)
    for z in range(40, 65):
        clip.frames[z + 1 :, 28:40, 36:48] = 3 * (z - 39)
    drawn = named("ms3d", {"tailor": "people"}).protocols["one"].moments(clip)
    assert (drawn[-25:] * 30).round().tolist() == list(range(41, 66))
    other = named("ms3d").protocols["one"].moments(clip)
    assert (other[-25:] * 30).round().tolist() != list(range(41, 66))


def test_an_answer_on_the_newest_frames_looks_in_them_alone(seeing):
    clip = grey(300)  # ten seconds
    system = named("ms3d", {"tailor": "people"})
    assert len(last_seconds(clip, 4.0)) == 121
    system.protocols["one"].views(clip)
    assert seeing.frames == 6, "half a second apart it would be nine: a camera's answer can wait for six"
    system.protocols["clip"].views(clip)
    assert seeing.frames == 6 + 21


def test_frames_are_searched_half_a_second_apart_up_to_a_bound():
    assert searched(grey(31), 24).tolist() == [0, 15, 30]  # one second
    assert searched(grey(121), 6).tolist() == [0, 24, 48, 72, 96, 120]
    assert len(searched(grey(3000), 24)) == 24
    assert searched(grey(1), 24).tolist() == [0]


def test_the_papers_crop_is_cut_from_a_square_window(seeing):
    seeing.boxes = ((50, 30, 70, 40),)  # 20 × 10, with its margin 26 × 13: 47 … 73, 28.5 … 41.5, whose middle is 35
    assert Tailor().window(grey()).tolist() == [47, 28, 73, 42]
    assert Tailor(square=True).window(grey()).tolist() == [47, 22, 73, 48]
    assert Tailor(square=True)(grey()).size == (26, 26)
    assert squared(np.array([10.0, 0, 20, 40]), 80, 120).tolist() == [0, 0, 40, 40]  # −5 … 35 moved inside
    assert squared(np.array([40.0, 10, 50, 50]), 80, 120).tolist() == [25, 10, 65, 50]
    assert squared(np.array([0.0, 10, 110, 20]), 80, 120).tolist() == [0, 0, 110, 80]  # as far as the frame goes
    view = named("ms3d-paper", {"tailor": "people"}).protocols["one"].views(grey())[0]["fast"]
    assert view.shape == (3, 25, 224, 224) and (view[:, :, 112, 112] == 120).all()


def test_what_moves_is_found_in_place_of_people_and_where_nobody_is_found(seeing):
    clip = grey(90, size=(240, 320))
    clip.frames[:, 60:120, 100:180] = np.random.default_rng(0).integers(0, 255, (90, 60, 80, 3), np.uint8)
    seeing.boxes = ()
    for kind in ("moving", "people"):
        left, top, right, bottom = Tailor(kind).box(clip)
        assert 80 <= left <= 106 and 40 <= top <= 66 and 174 <= right <= 200 and 114 <= bottom <= 140
    assert seeing.calls == 1, "moving asks no detector"
    assert Tailor("moving").window(grey(60)).tolist() == [0, 0, 120, 80]  # nothing moves: the whole frame


def test_each_camera_is_tailored_to_what_it_sees(seeing, monkeypatch):
    clip = grey().seen_from(grey(level=50), grey(level=20))
    monkeypatch.setattr(
        Tailor, "box", lambda self, clip, most=24: np.array(BOX if clip.frames.max() > 40 else (0, 0, 9, 9))
    )
    cut = Tailor("people", 1.0, 1.0)(clip)
    assert [camera.size for camera in (cut, *cut.beside)] == [(40, 40), (40, 40), (11, 11)]
    view = named("ms3d", {"tailor": "people", "cameras": "3"}).protocols["one"].views(clip)[0]
    assert [int(view[name][0, 0, 48, 48]) for name in ("slow", "mid", "fast")] == [120, 60, 24]


def test_maps_of_a_tailored_view_lie_where_it_was_cut(seeing):
    square = np.ones((96, 96), np.float32)
    whole = on_frames(named("ms3d", {"tailor": "people"}), grey(), square)
    assert whole.shape == (80, 120)
    left, top, right, bottom = WINDOW
    assert whole[top + 1 : bottom - 1, left + 1 : right - 1].min() == 1
    whole[top:bottom, left:right] = 0
    assert not whole.any()
    assert on_frames(named("ms3d"), grey(), square)[1:-1, 1:-1].min() == 1


@pytest.fixture
def recognizer(seeing) -> Recognizer:
    """Weights at their random start whose card asks for tailored clips."""
    labels = ["left", "right"]
    centres = dict(zip(labels, np.eye(2, 256).tolist(), strict=True))
    options = {"tailor": "people", "pairs": "120", "embeddings": "unit"}
    card = Card("tailored", "ms3d", labels, "", "", 0, options=options, centres=centres, threshold=1.0)
    system = recorded("ms3d", options)
    return Recognizer(system, system.network(2), card, "cpu", only_torch=True)


def walker(frames: int = 180) -> Clip:
    """Six seconds in which the box of the detector flickers."""
    clip = grey(frames)
    clip.frames[:, 20:50, 30:60] = np.random.default_rng(0).integers(0, 255, (frames, 30, 30, 3), np.uint8)
    return clip


def test_answers_timeline_and_live_see_the_tailored_clip_by_the_card(recognizer, seeing):
    clip = walker()
    views = named("ms3d", {"tailor": "people"}).protocols["one"].views(clip)
    assert recognizer.predict(clip, "one").view_codes == pytest.approx(recognizer.run(views)[1], abs=1e-5)
    answer = recognizer.predict(clip)
    moments = timeline(recognizer, clip, answer=answer)
    assert moments[0].start == 0 and moments[-1].stop == pytest.approx(clip.duration)
    camera = CameraBuffer()
    for frame, second in zip(clip.frames, clip.times, strict=True):
        camera.add(frame, float(second))
    before = seeing.frames
    live = recognizer.predict(camera.clip(recognizer.system.seconds + 0.5), "one")
    assert seeing.frames - before == 6
    assert live.view_codes == pytest.approx(recognizer.predict(clip, "one").view_codes, abs=1e-3)


def test_the_tailor_tab_says_of_tailored_weights_that_they_tailor_themselves(recognizer, seeing):
    clip = walker(60)
    plain = Recognizer(named("ms3d"), recognizer.network, recognizer.card, "cpu", only_torch=True)
    for weights, sentence in ((recognizer, "tailor every clip themselves"), (plain, "from untailored clips")):
        figure, _ = tailoring.labels(weights, tailoring.fit(clip, seeing), None, eta=1.2, xi=0.9)
        assert sentence in figure.sentence


def test_saliency_of_tailored_weights_lies_in_their_window_alone(recognizer):
    clip, saliency = walker(), ClassSaliency(recognizer)
    left, top, right, bottom = WINDOW
    live = saliency.over(clip, "left")
    assert live.shape == clip.size and live[top:bottom, left:right].max() > 0
    live[top:bottom, left:right] = 0
    assert not live.any()
    maps = clip_maps(saliency, Windows.of(recognizer.system, clip), "left").maps.copy()
    assert maps[:, top:bottom, left:right].max() > 0
    maps[:, top:bottom, left:right] = 0
    assert not maps.any()


# --- how often ------------------------------------------------------------------------------------


def test_in_a_training_the_window_of_a_clip_is_found_once(seeing):
    """Clips are read anew for every view; the detector is asked once for each of them."""
    split = Split(np.array([0, 1]), lambda index: grey(level=100 + index))
    system = named("ms3d", {"tailor": "people"})
    for seed in range(5):
        for index in (0, 1):
            system.training_view(split.clip(index), np.random.default_rng(seed))
    assert seeing.calls == 2
    named("ms3d", {"tailor": "people", "eta": 1.5}).training_view(split.clip(0), np.random.default_rng(0))
    assert seeing.calls == 2, "the factors do not move the window"
    named("ms3d", {"tailor": "moving"}).training_view(split.clip(0), np.random.default_rng(0))
    assert seeing.calls == 2


@pytest.mark.parametrize(("chosen", "side"), [({}, 128), ({"tailor": "people"}, 240), ({"tailor": "moving"}, 240)])
def test_clips_that_are_cut_are_kept_as_large_as_the_page_reads_them(chosen, side):
    """At a short side of 128 somebody who fills half of a frame has fewer pixels than the network's 96."""
    settings = stored(named("ms3d", chosen))
    assert (settings.size, settings.fps) == (side, 30.0)
    assert stored(named("ms3d", chosen | {"pairs": "36"})).fps == 15.0
    assert f"size={side} " in settings.key() and "fps=30.0" in settings.key()  # an entry of the cache for each


def test_only_the_boxes_of_the_last_clips_are_remembered(seeing, monkeypatch):
    monkeypatch.setattr(option, "REMEMBERED", 2)
    for level in (10, 20, 10, 30, 10, 20):  # 20 goes when 30 comes
        Tailor().box(grey(level=level))
    assert seeing.calls == 4


# --- what cannot be -------------------------------------------------------------------------------


def test_without_a_detector_a_training_says_so_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ACTREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(find, "SHIPPED", tmp_path / "nowhere")
    option.the_detector.cache_clear()
    words = ["train", "--system", "ms3d", "--data", "synthetic:six", "--out", str(tmp_path / "run")]
    assert main([*words, "--option", "tailor=people"]) == 2
    said = capsys.readouterr().err
    assert "--option tailor=people needs a person detector" in said and "tailor=moving" in said
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadValue, match="needs a person detector"):
        named("ms3d", {"tailor": "people"}).protocols["one"].views(grey(level=7))
    option.the_detector.cache_clear()


@pytest.mark.parametrize("options", [{"eta": 0}, {"xi": 0}])
def test_factors_without_meaning_are_refused_before_a_clip_is_seen(options):
    with pytest.raises(BadValue, match="η must be positive"):
        named("ms3d", {"tailor": "moving", **options})


def test_the_detector_that_ships_finds_the_window_of_a_bundled_clip():
    from pathlib import Path

    from actrec.video.read import read_clip

    clip = read_clip(Path(__file__).resolve().parents[2] / "assets" / "examples" / "wave.mp4")
    height, width = clip.size
    left, top, right, bottom = Tailor().window(clip)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert (right - left) * (bottom - top) < 0.8 * width * height
