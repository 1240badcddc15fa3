"""A Clip becomes a file that a browser plays, whole or not at all."""

from __future__ import annotations

import av
import corpus
import numpy as np
import pytest

from actrec.video import VideoError
from actrec.video.read import read_clip
from actrec.video.write import write_mp4


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (1, 1)])
def test_what_is_written_is_read_back(tmp_path, height, width):
    frames = np.zeros((12, height, width, 3), np.uint8)
    frames[:] = np.arange(12, dtype=np.uint8)[:, None, None, None] * 20
    frames[..., 0] = 200
    clip = read_clip(write_mp4(tmp_path / "a.mp4", frames, 12.5))
    assert len(clip) == 12 and clip.fps == pytest.approx(12.5)
    assert clip.size == (height + height % 2, width + width % 2)  # 4:2:0 needs even sides
    assert np.abs(clip.frames[:, :height, :width].astype(int) - frames).max() <= 4
    np.testing.assert_array_equal(
        clip.frames[:, :height, width:], clip.frames[:, :height, width - 1 : width][:, :, : width % 2]
    )


def test_every_browser_plays_it(tmp_path):
    """H.264, 4:2:0, index in front, and the matrix of its colours named."""
    path = write_mp4(tmp_path / "a.mp4", corpus.pictures(), 25)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert int(stream.codec_context.colorspace) == 6


@pytest.mark.parametrize("fps", [29.97, 30000 / 1001, 7.3, 10])
def test_the_rate_is_kept(tmp_path, fps):
    clip = read_clip(write_mp4(tmp_path / "a.mp4", corpus.pictures(40), fps))
    assert clip.fps == pytest.approx(fps, rel=1e-3)


def test_frames_may_come_one_by_one(tmp_path):
    path = write_mp4(tmp_path / "a.mp4", (frame for frame in corpus.pictures(9)), 25)
    assert len(read_clip(path)) == 9


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_mp4(tmp_path / "a.mp4", corpus.pictures(6), 25)
    before = path.read_bytes()

    def broken():
        yield from corpus.pictures(3)
        raise RuntimeError("the camera was unplugged")

    with pytest.raises(RuntimeError):
        write_mp4(path, broken(), 25)
    with pytest.raises(ValueError, match="one size"):
        write_mp4(path, [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], 25)
    with pytest.raises(VideoError):
        write_mp4(path, [], 25)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="frame rate"):
        write_mp4(tmp_path / "a.mp4", corpus.pictures(2), fps)
