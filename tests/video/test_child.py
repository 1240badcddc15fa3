"""The child that decodes for strangers: it may be broken, starved, stopped or orphaned, and nothing is left over."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import corpus
import numpy as np
import pytest

from actrec.video import VideoError
from actrec.video.read import Limits, read_clip
from actrec.video.sandbox.decoder import Decoder

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def short(folder):
    return corpus.h264(folder / "short.mp4")


@pytest.fixture(scope="module")
def slow(folder):
    """Noise: it takes its time, and 83 MB."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 480, 640, 3), np.uint8)
    return corpus.encode(folder / "slow.mp4", noise, codec="mpeg4", options={"b": "40M"})


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


@linux
def test_the_child_loads_no_torch_and_no_opencv(decoder, short):
    decoder.read(short)
    maps = Path(f"/proc/{decoder.pid}/maps").read_text()
    assert "libav" in maps
    assert "torch" not in maps and "cv2" not in maps and "gradio" not in maps


def test_the_asking_process_needs_no_pyav(short):
    code = f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from actrec.video.sandbox.decoder import Decoder
        with Decoder() as decoder:
            print(len(decoder.read({str(short)!r})), "av" in sys.modules, "torch" in sys.modules)
    """
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert child.stdout.split() == ["24", "False", "False"], child.stderr


def test_one_child_serves_every_request(decoder, short):
    first = decoder.pid
    for _ in range(3):
        decoder.read(short)
    assert decoder.pid == first


def test_several_threads_share_a_decoder(decoder, short):
    truth = {fps: read_clip(short, fps=fps).frames for fps in (5, 7, 9, 25)}

    def ask(fps: int) -> bool:
        return np.array_equal(decoder.read(short, fps=fps).frames, truth[fps])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, list(truth) * 6))


def test_a_clip_stays_what_it_is_while_others_are_read_and_after_the_end(tmp_path):
    paths = [corpus.encode(tmp_path / f"{n}.mp4", corpus.pictures(seed=n)) for n in range(4)]
    truth = [read_clip(path).frames for path in paths]
    with Decoder() as decoder:
        for path in paths:
            decoder.read(path)  # forgotten at once: its memory is free for what follows
        clips = [decoder.read(path) for path in paths * 2]
        part = clips.pop().frames[5:9, ::2]  # a view keeps its memory alive, not only the whole
        gc.collect()
        clips.append(decoder.read(paths[0]))
    for clip, frames in zip(clips, [*truth, *truth[:3], truth[0]], strict=True):
        np.testing.assert_array_equal(clip.frames, frames)
    np.testing.assert_array_equal(part, truth[3][5:9, ::2])


def test_frames_may_be_written_to_like_any_array(decoder, short):
    clip = decoder.read(short)
    clip.frames[:] = 7
    assert np.all(clip.frames == 7)
    np.testing.assert_array_equal(decoder.read(short).frames, read_clip(short).frames)


@linux
def test_memory_is_used_again_and_descriptors_do_not_pile_up(short):
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Decoder() as decoder:
        decoder.read(short)
        before = files()
        for _ in range(20):
            decoder.read(short)
        assert files() == before  # one block, back and forth
        held = [decoder.read(short) for _ in range(60)]
        assert files() - before <= 20
        assert len(held) == 60
    del held
    gc.collect()


@linux
def test_a_long_clip_does_not_leave_its_memory_to_a_short_one(slow, short):
    """The block of a clip of 83 MB goes to one of 0.2 MB: what the short one does not need is given back."""
    with Decoder() as decoder:
        decoder.read(slow)
        clip = decoder.read(short)
        shared = [os.stat(f"/proc/self/fd/{f}").st_blocks * 512 for f in memory_files()]
        assert len(clip) == 24 and shared and max(shared) < 40e6


def memory_files() -> list[str]:
    found = []
    for file in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{file}").startswith("/memfd:clip"):
                found.append(file)
        except FileNotFoundError:
            pass
    return found


@linux
def test_a_child_that_dies_in_the_middle_is_replaced(slow, short):
    with Decoder() as decoder:
        decoder.read(short)
        victim = decoder.pid
        threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
        with pytest.raises(VideoError) as caught:
            while True:  # whichever read is under way when the child dies
                decoder.read(slow)
        assert caught.value.code == "crashed"
        assert len(decoder.read(short)) == 24 and decoder.pid != victim
        os.kill(decoder.pid, signal.SIGKILL)  # while idle: nobody has to notice
        assert gone_within(decoder.pid, 30)
        assert len(decoder.read(short)) == 24


@linux
def test_too_slow_a_video_is_given_up_and_its_child_ended(short):
    with Decoder(seconds=2.0) as decoder:
        decoder.read(short)
        victim = decoder.pid
        os.kill(victim, signal.SIGSTOP)  # as slow as can be, on any machine
        with pytest.raises(VideoError, match="more than") as caught:
            decoder.read(short)
        assert caught.value.code == "too-slow"
        assert gone_within(victim, 2)
    with Decoder() as decoder:
        assert len(decoder.read(short)) == 24


@linux
def test_memory_is_limited(tmp_path, short):
    big = corpus.encode(tmp_path / "big.mp4", np.zeros((12, 2160, 3840, 3), np.uint8), options={"preset": "ultrafast"})
    with Decoder(memory=150 << 20) as decoder:
        with pytest.raises(VideoError) as caught:
            decoder.read(big, short_side=64)
        assert caught.value.code == "memory"
        assert len(decoder.read(short)) == 24
    with Decoder() as decoder:
        assert decoder.read(big, short_side=64).size == (64, 114)


@linux
@pytest.mark.parametrize("how", ["leaves", "is killed"])
def test_the_child_dies_with_its_parent_and_leaves_nothing(slow, how):
    """The parent goes while the child is decoding."""
    before = set(os.listdir("/dev/shm"))
    code = f"""
        import os, sys, threading, time
        sys.path.insert(0, {str(ROOT)!r})
        from actrec.video.sandbox.decoder import Decoder
        decoder = Decoder()
        threading.Thread(target=lambda: [decoder.read({str(slow)!r}) for _ in range(99)], daemon=True).start()
        time.sleep(1.0)
        print(decoder.pid, flush=True)
        sys.stdin.readline()
        os._exit(0)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    assert alive(child)
    if how == "is killed":
        parent.kill()
    parent.communicate("leave\n", timeout=60)
    assert gone_within(child, 30)
    assert set(os.listdir("/dev/shm")) <= before


@linux
def test_a_child_that_hangs_still_notices_that_its_parent_is_gone():
    """The watch is a thread of its own: here the main thread sleeps where a decoder might hang."""
    ours, theirs = socket.socketpair()
    code = f"""
        import os, socket, sys, threading, time
        sys.path.insert(0, {str(ROOT)!r})
        from actrec.video.sandbox.worker import die_with
        line = socket.socket(fileno={theirs.fileno()})
        threading.Thread(target=die_with, args=(os.getppid(), line), daemon=True).start()
        print("ready", flush=True)
        time.sleep(120)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.7)
    assert child.poll() is None
    ours.close()
    child.communicate(timeout=60)
    assert child.returncode == 0


@linux
def test_a_child_outlives_the_thread_that_started_it(short):
    made = []
    thread = threading.Thread(target=lambda: made.append(Decoder()))
    thread.start()
    thread.join()
    with made[0] as decoder:
        first = decoder.pid
        time.sleep(0.7)
        assert len(decoder.read(short)) == 24 and decoder.pid == first


@linux
def test_close_ends_the_child_and_a_closed_decoder_says_so(short):
    decoder = Decoder()
    child = decoder.pid
    decoder.close()
    decoder.close()
    assert not alive(child)
    with pytest.raises(VideoError) as caught:
        decoder.read(short)
    assert caught.value.code == "closed"


@linux
def test_a_forgotten_decoder_takes_its_child_along():
    decoder = Decoder()
    child = decoder.pid
    del decoder
    gc.collect()
    assert gone_within(child, 30)


@linux
def test_a_forked_process_gets_a_child_of_its_own(short):
    code = f"""
        import os, sys
        sys.path.insert(0, {str(ROOT)!r})
        from actrec.video.sandbox.decoder import Decoder
        decoder = Decoder()
        clip, own = decoder.read({str(short)!r}), decoder.pid
        forked = os.fork()
        again = decoder.read({str(short)!r})
        good = (again.frames == clip.frames).all() and (decoder.pid == own) == bool(forked)
        if forked:
            good = good and os.waitpid(forked, 0)[1] == 0
            decoder.close()
        else:
            decoder.close()
            os._exit(0 if good else 1)
        print(good)
    """
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert child.stdout.strip() == "True", child.stderr


def test_damaged_files_of_every_kind_end_in_a_clip_or_a_sentence(tmp_path, decoder):
    """Bits flipped anywhere, ends cut off: no crash, no hang, no other exception, the same child to the end."""
    kinds = {
        "a.mp4": {},
        "slow.mp4": {"fps": 1, "options": {"g": "4"}},
        "slow.mkv": {"fps": 1, "options": {"g": "4"}},
        "b.mkv": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
        "c.avi": {"codec": "mpeg4"},
        "d.mpg": {"codec": "mpeg2video"},
        "e.ts": {},
        "f.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    }
    first, clips, refusals = decoder.pid, 0, 0
    for name, options in kinds.items():
        whole = corpus.h264(tmp_path / name, **options)
        for seed in range(8):
            hurt = tmp_path / f"{seed}-{name}"
            if seed % 2:
                corpus.cut(whole, hurt, 0.1 + 0.1 * seed)
            else:
                corpus.flipped(whole, hurt, share=0.0005 * 3**seed, seed=seed, start=0.0)
            try:
                clip = decoder.read(hurt, limits=Limits(frames=200, pixels=1 << 20))
                assert 1 <= len(clip) <= 200 and np.all(np.diff(clip.times) >= 0)
                few = decoder.read(hurt, frames=6, limits=Limits(frames=200, pixels=1 << 20))
                assert len(few) == 6
                clips += 1
            except VideoError as error:
                assert error.code != "crashed", getattr(error, "__notes__", error)
                refusals += 1
    assert clips > 10 and refusals > 5
    assert decoder.pid == first
