"""Files in, Clips out: good ones to the pixel and the millisecond, odd ones upright, bad ones with a sentence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import av
import corpus
import cv2
import numpy as np
import pytest

from actrec.video import VideoError
from actrec.video.read import Limits, probe, read_clip
from actrec.video.refusals import SENTENCES
from actrec.video.source import Source

REFUSED = [
    *("missing", "folder", "empty", "text", "noise", "playlist", "playlist named mp4", "concat list", "picture"),
    *("wav", "m4a", "cut before its index", "unknown codec in mp4", "unknown codec in avi", "no frame"),
    *("one frame", "8K"),
]
CONTAINERS = [
    *("mp4", "mp4 index first", "fragmented mp4", "mov", "webm", "webm without duration", "mkv", "avi"),
    *("avi with B-frames", "mpeg", "transport stream", "m2ts", "elementary stream", "gif"),
]


@pytest.fixture(scope="session")
def refused(folder):
    (folder / "refused").mkdir()
    return corpus.refused(folder / "refused")


@pytest.fixture(scope="session")
def containers(folder):
    (folder / "containers").mkdir()
    return corpus.containers(folder / "containers")


def test_the_lists_of_names_are_complete(refused, containers):
    assert sorted(refused) == sorted(REFUSED)
    assert sorted(containers) == sorted(CONTAINERS)


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_refused_with_a_code_and_a_sentence(refused, decoder, name):
    path, codes = refused[name]
    for read in (read_clip, decoder.read):
        with pytest.raises(VideoError) as caught:
            read(path)
        assert caught.value.code in codes
        assert str(caught.value).endswith(".") and "{" not in str(caught.value)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path, decoder):
    """Nobody writes into this pipe: opening it would never return."""
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for read in (read_clip, decoder.read, probe):
        with pytest.raises(VideoError) as caught:
            read(pipe)
        assert caught.value.code == "missing"


def test_every_sentence_says_what_is_wrong_and_what_to_do():
    for sentence in SENTENCES.values():
        assert sentence.count(". ") >= 1 and sentence.endswith(".")


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_kind_of_file_gives_its_frames_in_order(containers, decoder, name):
    clip = read_clip(containers[name])
    assert len(clip) == 24 and clip.times[0] == 0
    np.testing.assert_allclose(np.diff(clip.times), 0.04, atol=0.0011)
    expected = corpus.pictures(24)[:, 4::8, 4::8].astype(int)  # middles of the blocks: away from ringing
    got = clip.frames[:, 4::8, 4::8].astype(int)
    apart = np.abs(got[:, None] - expected[None]).mean((2, 3, 4))
    np.testing.assert_array_equal(apart.argmin(1), np.arange(24))  # each is nearest to its own original
    again = decoder.read(containers[name])
    np.testing.assert_array_equal(again.frames, clip.frames)
    np.testing.assert_array_equal(again.times, clip.times)
    assert again.notes == clip.notes


def test_the_header_tells_size_rate_and_length_without_decoding(containers, decoder):
    header = probe(containers["mp4"])
    assert (header.width, header.height, header.fps, header.frames) == (64, 48, 25.0, 24)
    assert header.duration == pytest.approx(0.96) and header.codec == "h264" and not header.audio
    assert decoder.probe(containers["mp4"]) == header
    assert probe(containers["webm without duration"]).duration is None


@pytest.mark.parametrize(("height", "width"), [(47, 63), (1, 2), (17, 16), (5, 129)])
def test_lossless_frames_of_any_size_come_back_to_the_bit(tmp_path, decoder, height, width):
    frames = np.random.default_rng(0).integers(0, 256, (5, height, width, 3), dtype=np.uint8)
    path = corpus.encode(tmp_path / "odd.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    np.testing.assert_array_equal(read_clip(path).frames, frames)
    np.testing.assert_array_equal(decoder.read(path).frames, frames)


def test_grey_video_has_three_equal_channels(tmp_path):
    frames = corpus.pictures(4)[..., 0]
    clip = read_clip(corpus.encode(tmp_path / "g.mkv", frames, codec="ffv1", pix_fmt="gray", layout="gray"))
    assert np.all(clip.frames == clip.frames[..., :1])
    assert np.abs(clip.frames[..., 0].astype(int) - frames).max() <= 1


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv444p12le", "gbrp10le", "yuv422p", "yuv410p"])
def test_other_depths_and_layouts_show_the_same_colours(tmp_path, pix_fmt):
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    frames[:] = 200, 40, 90
    clip = read_clip(corpus.encode(tmp_path / "d.mkv", frames, codec="ffv1", pix_fmt=pix_fmt))
    assert np.abs(clip.frames.astype(int) - (200, 40, 90)).max() <= 3


@pytest.mark.parametrize(("kr", "kb", "tag"), [(0.2126, 0.0722, 1), (0.299, 0.114, 6)])
def test_colours_follow_the_matrix_that_the_file_names(tmp_path, kr, kb, tag):
    """BT.709 and BT.601 by their own equations, limited range."""
    red, green, blue = 200 / 255, 40 / 255, 90 / 255
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    planes = np.empty((3, 32, 32), np.uint8)
    planes[0] = round(16 + 219 * luma)
    planes[1] = round(128 + 112 * (blue - luma) / (1 - kb))
    planes[2] = round(128 + 112 * (red - luma) / (1 - kr))
    path = tmp_path / "m.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height = stream.width = 32
        stream.pix_fmt = "yuv444p"
        stream.codec_context.colorspace = tag
        for place in range(3):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
            frame.colorspace, frame.pts = tag, place
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert np.abs(read_clip(path).frames.astype(int) - (200, 40, 90)).max() <= 2


def test_a_size_that_changes_half_way_is_brought_to_the_first(tmp_path):
    small, large = corpus.h264(tmp_path / "s.ts"), tmp_path / "l.ts"
    corpus.encode(large, corpus.pictures(24, 96, 128))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    clip = read_clip(both)
    assert len(clip) == 48 and clip.size == (48, 64)


def test_a_video_as_large_as_allowed_is_taken(tmp_path):
    path = corpus.encode(tmp_path / "e.mp4", corpus.pictures(4, 46, 62))  # coded as 48×64
    assert len(read_clip(path, limits=Limits(pixels=46 * 62))) == 4
    with pytest.raises(VideoError):
        read_clip(path, limits=Limits(pixels=46 * 62 - 1))


def test_transparent_pixels_are_shown_on_black(tmp_path):
    frames = np.full((3, 8, 8, 4), 200, np.uint8)
    frames[..., 3] = 255
    frames[:, :4, :, 3] = 0
    frames[:, 4, :, 3] = 51
    clip = read_clip(corpus.encode(tmp_path / "a.mov", frames, codec="qtrle", pix_fmt="argb", layout="rgba"))
    assert clip.frames[0, :, 0, 0].tolist() == [0, 0, 0, 0, 40, 200, 200, 200]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_video_is_upright_as_opencv_shows_it(tmp_path, decoder, rotation):
    path = corpus.h264(tmp_path / "r.mp4", count=3, rotation=rotation)
    clip = decoder.read(path)
    video = cv2.VideoCapture(str(path))
    for frame in clip.frames:
        truth = cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)
        assert frame.shape == truth.shape
        assert np.abs(frame.astype(int) - truth).mean() < 3
    assert any("rotated" in note for note in clip.notes)


def test_a_variable_rate_keeps_its_true_times(tmp_path):
    stamps = [0, 10, 200, 210, 220, 1000, 1001, 3000]
    path = corpus.encode(tmp_path / "v.mkv", corpus.pictures(8), pts=stamps, fps=1000, options={"bf": "0"})
    np.testing.assert_allclose(read_clip(path).times * 1000, stamps, atol=1e-6)


def test_times_that_run_backwards_are_continued(tmp_path):
    """The second half keeps the gaps between its frames, however uneven they are."""
    stamps = np.cumsum([0, 40, 40, 200, 40, 120, 40, 40])
    once = corpus.encode(
        tmp_path / "once.ts", corpus.pictures(8), pts=stamps.tolist(), fps=25, options={"bf": "0"}
    ).read_bytes()
    twice = tmp_path / "twice.ts"
    twice.write_bytes(once + once)
    clip = read_clip(twice)
    assert len(clip) == 16 and np.all(np.diff(clip.times) > 0.03)
    for half in (clip.times[:8], clip.times[8:]):
        np.testing.assert_allclose(half - half[0], stamps / 1000, atol=0.002)
    assert "times ran backwards, continued" in clip.notes


def test_missing_times_come_from_the_rate(tmp_path):
    stream = corpus.h264(tmp_path / "m.m2v", codec="mpeg2video", format="mpeg2video", options={"bf": "2"})
    clip = read_clip(stream)
    assert len(clip) == 24
    np.testing.assert_allclose(np.diff(clip.times), 0.04, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "left"), [({"g": "1"}, 47), ({"g": "10", "bf": "0"}, 47), ({"g": "12", "bf": "2"}, 42)]
)
def test_broken_packets_are_dropped_and_counted(tmp_path, decoder, options, left):
    """Three packets are overwritten from end to end; the index stays whole. With B-frames five more frames lose
    the ones they are predicted from (ffmpeg's own decoder gives up the same ones)."""
    whole = corpus.h264(tmp_path / "w.mp4", count=50, options=options)
    intact = read_clip(whole)
    clip = decoder.read(corpus.overwritten(whole, tmp_path / "b.mp4", packets=(11, 30, 47)))
    assert len(clip) == left
    assert f"{50 - left} frames dropped" in clip.notes
    assert np.isin(clip.times, intact.times).all()  # those that are left keep their own seconds


def test_a_file_cut_in_the_middle_gives_what_is_there(tmp_path, decoder):
    whole = corpus.h264(tmp_path / "w.mp4", count=50, mux={"movflags": "+faststart"}, options={"g": "10"})
    clip = decoder.read(corpus.cut(whole, tmp_path / "cut.mp4", 0.6))
    assert 20 < len(clip) < 40
    assert any(note.startswith("cut off") for note in clip.notes)
    few = decoder.read(tmp_path / "cut.mp4", frames=8)  # spread over what is there, not over what was promised
    assert len(few) == 8 and few.times[-1] <= clip.times[-1] and np.all(np.diff(few.times) > 0)
    assert len(np.unique(few.frames.reshape(8, -1), axis=0)) == 8


def test_a_long_video_is_shortened_or_refused(tmp_path):
    path = corpus.h264(tmp_path / "long.mp4", count=140, fps=2)
    clip = read_clip(path)
    assert len(clip) == 120 and clip.notes == ("shortened to 60 s",)
    assert len(read_clip(path, start=15.0)) == 110
    with pytest.raises(VideoError, match="70 s long; at most 60 s") as caught:
        read_clip(path, limits=Limits(fit=False))
    assert caught.value.code == "too-long"


def test_too_many_frames_are_thinned_or_refused(containers):
    clip = read_clip(containers["mp4"], limits=Limits(frames=12))
    assert len(clip) == 12 and clip.notes == ("thinned to 12.5 frames per second",)
    with pytest.raises(VideoError, match="24 frames; at most 12") as caught:
        read_clip(containers["mp4"], limits=Limits(frames=12, fit=False))
    assert caught.value.code == "too-many-frames"


def test_too_many_bytes_are_reduced_or_refused(containers):
    whole = 24 * 48 * 64 * 3
    clip = read_clip(containers["mp4"], limits=Limits(bytes=whole // 4))
    assert len(clip) == 24 and clip.size == (24, 32) and clip.notes == ("reduced to 32×24 pixels",)
    with pytest.raises(VideoError) as caught:
        read_clip(containers["mp4"], limits=Limits(bytes=whole - 1, fit=False))
    assert caught.value.code == "too-many-bytes"
    assert read_clip(containers["mp4"], limits=Limits(bytes=whole, fit=False)).frames.nbytes == whole


def test_a_header_that_promises_less_does_not_fill_the_memory(containers):
    clip = read_clip(containers["webm without duration"], limits=Limits(frames=10))
    assert len(clip) == 10


@pytest.mark.parametrize("name", ["mp4", "webm without duration", "avi with B-frames", "mpeg", "gif"])
def test_a_rate_a_number_and_a_window_agree_with_the_clip_itself(containers, name):
    whole = read_clip(containers[name])
    for fps in (5, 12, 25, 60):
        same, asked = whole.at_rate(fps), read_clip(containers[name], fps=fps)
        np.testing.assert_allclose(asked.times, same.times, atol=1e-6)
        np.testing.assert_array_equal(asked.frames, same.frames)
    few = read_clip(containers[name], frames=6)
    same = whole.at((np.arange(6) + 0.5) / 6 * whole.duration)
    np.testing.assert_allclose(few.times, same.times, atol=0.01)
    np.testing.assert_array_equal(few.frames, same.frames)
    part, same = read_clip(containers[name], start=0.19, stop=0.61), whole.between(0.19, 0.61)
    np.testing.assert_array_equal(part.frames, same.frames)
    np.testing.assert_array_equal(part.times, same.times)


def test_a_start_far_inside_is_reached_by_seeking(tmp_path):
    for path in (
        corpus.h264(tmp_path / "s.mp4", count=200, options={"g": "30", "bf": "2"}),
        corpus.h264(tmp_path / "s.mkv", count=200, options={"g": "30", "bf": "2"}),
    ):
        whole = read_clip(path)
        part, same = read_clip(path, start=5.0, stop=6.0), whole.between(5.0, 6.0)
        np.testing.assert_array_equal(part.frames, same.frames)
        np.testing.assert_array_equal(part.times, same.times)


@pytest.mark.parametrize("bf", ["0", "3"])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_far_apart_frames_are_the_same_with_fewer_decoded(tmp_path, monkeypatch, ending, bf):
    """From key frame to key frame; also where the file was cut after half of what its index lists."""
    path = corpus.h264(tmp_path / f"f.{ending}", count=500, fps=10, options={"g": "20", "bf": bf})
    whole = read_clip(path)
    decoded = []
    write = Source._decoded
    monkeypatch.setattr(Source, "_decoded", lambda self, packet: [decoded.append(1), write(self, packet)][1])
    few = read_clip(path, frames=8)
    same = whole.at((np.arange(8) + 0.5) / 8 * whole.duration)
    np.testing.assert_array_equal(few.frames, same.frames)
    np.testing.assert_allclose(few.times, same.times, atol=1e-3)
    assert len(decoded) < 300
    slow = read_clip(path, fps=0.25)
    np.testing.assert_array_equal(slow.frames, whole.at(np.arange(len(slow)) * 4.0).frames)
    assert len(slow) in (12, 13)
    front = corpus.h264(tmp_path / "x.mp4", 500, fps=10, mux={"movflags": "+faststart"}, options={"g": "20"})
    cut = read_clip(corpus.cut(front, tmp_path / "cut.mp4", 0.6), frames=8)
    assert len(cut) == 8 and 20 < cut.times[-1] < 35 and cut.notes[0].startswith("ends after")
    assert len(np.unique(cut.frames.reshape(8, -1), axis=0)) == 8


def test_a_window_behind_the_end_is_refused(containers):
    with pytest.raises(VideoError) as caught:
        read_clip(containers["mp4"], start=30.0)
    assert caught.value.code == "empty-window"


def test_a_smaller_side_is_an_area_average(containers):
    small = read_clip(containers["mp4"], short_side=12)
    assert small.size == (12, 16)
    whole = read_clip(containers["mp4"]).frames.astype(float)
    average = whole.reshape(24, 12, 4, 16, 4, 3).mean((2, 4))
    assert np.abs(small.frames - average).mean() < 6
    assert read_clip(containers["mp4"], short_side=500).size == (48, 64)  # never enlarged


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"frames": 0}, {"fps": 5, "frames": 5}, {"start": 2, "stop": 1}])
def test_a_wish_that_makes_no_sense_is_the_callers_mistake(containers, decoder, wrong):
    for read in (read_clip, decoder.read):
        with pytest.raises(ValueError):
            read(containers["mp4"], **wrong)


# What ffprobe 5.1.9 counts in the real clips: -select_streams v:0 -count_frames, stream=nb_read_frames.
FFPROBE = {
    "again.mkv": 77,
    "book.mkv": 109,
    "eat.mkv": 47,
    "hungry.mkv": 49,
    "milk.mkv": 51,
    "no.mkv": 66,
    "school.mkv": 72,
    "sorry.mkv": 73,
    "thanks.mkv": 51,
    "want.mkv": 47,
    "cvzmh_fun_theory.mp4": 218,
    "disney_plastering.avi": 1616,
    "intel_one_by_one_person.mp4": 1394,
    "k400_arm_wrestling_mmaction2_demo.mp4": 280,
    "kth_person01_walking_d1_uncomp.avi": 555,
    "mgt_dancer.avi": 1571,
    "mmaction2_demo_skeleton.mp4": 72,
    "mmaction2_rawvideo_part_0.mp4": 32,
    "mmaction2_test_video_structuralize.mp4": 300,
    "mmpose_demo.mp4": 5,
    "naseemap47_test.mp4": 866,
    "opencv_vtest_copy.avi": 795,
    "openpose_video.avi": 205,
    "paddlevideo_example.avi": 131,
    "stgcn_clean_and_jerk.mp4": 300,
    "stgcn_ta_chi.mp4": 300,
    "ucf101_v_ApplyEyeMakeup_g01_c01.avi": 164,
    "ucf11_v_biking_01_01.mpg": 151,
}


def test_every_real_clip_decodes_to_its_independent_count(shared_data, decoder):
    paths = sorted(p for p in (shared_data / "samples").rglob("*") if p.is_file())
    assert len(paths) >= 20
    limits = Limits(seconds=1e4, frames=10**5)
    counts = {p.name: (len(decoder.read(p, short_side=32, limits=limits)), independent_count(p)) for p in paths}
    assert {name: pair for name, pair in counts.items() if pair[0] != pair[1]} == {}


def independent_count(path: Path) -> int:
    """For a clip that has come since, ffprobe is asked now; where it is not installed, OpenCV reads it through."""
    if path.name in FFPROBE:
        return FFPROBE[path.name]
    command = "ffprobe -v error -select_streams v:0 -count_frames -show_entries stream=nb_read_frames -of csv=p=0"
    try:
        printed = subprocess.run([*command.split(), str(path)], capture_output=True, text=True, check=True)
        return int(printed.stdout.split()[0].strip(","))
    except FileNotFoundError:
        video, count = cv2.VideoCapture(str(path)), 0
        while video.grab():
            count += 1
        return count
