"""Improved dense trajectories on scenes whose camera and mover are known to the pixel."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import pytest

from actrec.motion import descriptors, stabilise
from actrec.motion.descriptors import describe
from actrec.motion.trajectories import Tracks, draw, track, useless_tracks
from actrec.video import Clip

HEIGHT, WIDTH, FRAMES = 180, 240, 20
MOVER = (56, 34)  # height and width


def texture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Something with structure at several sizes, like a wall or a lawn."""
    layers = [
        cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), size) * size
        for size in (1.2, 3, 8)
    ]
    mixed = sum(layers)
    return np.clip(128 + 45 * (mixed - mixed.mean()) / mixed.std(), 0, 255)


def camera(kind: str, t: int, rng: np.random.Generator) -> np.ndarray:
    """Where the frame's pixels lie in the background's plane, a 2×3 matrix."""
    if kind == "pan":
        return np.array([[1, 0, 3.0 * t + 20], [0, 1, 0.7 * t + 60]])
    if kind == "jitter":
        return np.array([[1, 0, 100 + rng.uniform(-3, 3)], [0, 1, 80 + rng.uniform(-3, 3)]])
    if kind == "zoom":
        size = 1 - 0.008 * t
        return np.array([[size, 0, 100 + (1 - size) * WIDTH / 2], [0, size, 80 + (1 - size) * HEIGHT / 2]])
    return np.array([[1, 0, 100.0], [0, 1, 80.0]])


@functools.cache
def scene(kind: str, mover: tuple[int, int] = MOVER, seed: int = 0) -> tuple[Clip, np.ndarray, list[np.ndarray]]:
    """A mover before a background that only the camera moves: clip, the mover's mask `[T, H, W]`, its boxes."""
    rng = np.random.default_rng(seed)
    far, near = texture(400, 460, rng), texture(*mover, rng)
    frames, masks, boxes = [], [], []
    for t in range(FRAMES):
        view = cv2.warpAffine(far, camera(kind, t, rng), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        left, top = WIDTH / 2 - mover[1] / 2 - 40 + 3.3 * t, HEIGHT / 2 - mover[0] / 2 + 14 * np.sin(t / 4)
        place = np.array([[1, 0, left], [0, 1, top]])
        mask = cv2.warpAffine(np.ones_like(near), place, (WIDTH, HEIGHT))
        picture = view * (1 - mask) + cv2.warpAffine(near, place, (WIDTH, HEIGHT)) + rng.normal(0, 1, view.shape)
        frames.append(np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2))
        masks.append(mask > 0.5)
        boxes.append(np.array([[left, top, left + mover[1], top + mover[0]]]))
    return Clip(np.stack(frames), np.arange(FRAMES) / 25), np.stack(masks), boxes


@functools.cache
def tracked(kind: str, with_boxes: bool, mover: tuple[int, int] = MOVER) -> Tracks:
    clip, _, boxes = scene(kind, mover)
    return track(clip, boxes=boxes if with_boxes else None)


def on_mover(points: np.ndarray, start: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """For each point of each track whether the mover is there, `bool [N, L+1]`."""
    at = np.rint(points).astype(int)
    frame = start[:, None] + np.arange(points.shape[1])
    return masks[frame, at[..., 1].clip(0, HEIGHT - 1), at[..., 0].clip(0, WIDTH - 1)]


def shares(tracks: Tracks, masks: np.ndarray) -> tuple[float, float, int]:
    """Share of the background's tracks that is removed, of the mover's that is kept, and the mover's number.

    The mover never rests, so a static track is the background's.
    """
    kept, removed = (
        on_mover(points, start, masks)
        for points, start in ((tracks.points, tracks.start), (tracks.camera_points, tracks.camera_start))
    )
    background_kept, background_removed = (~kept.any(axis=1)).sum(), (~removed.any(axis=1)).sum()
    background_removed += tracks.dropped["static"]
    mover_kept, mover_removed = kept.all(axis=1).sum(), removed.all(axis=1).sum()
    return (
        background_removed / (background_kept + background_removed),
        mover_kept / (mover_kept + mover_removed),
        int(mover_kept),
    )


@pytest.mark.parametrize("kind", ["pan", "jitter", "zoom"])
def test_a_moving_cameras_background_is_removed_and_the_mover_kept(kind):
    removed, kept, count = shares(tracked(kind, True), scene(kind)[1])
    assert removed >= 0.9
    assert kept >= 0.9 and count >= 50


def test_without_boxes_a_small_mover_does_not_mislead_the_camera():
    removed, kept, count = shares(tracked("pan", False), scene("pan")[1])
    assert removed >= 0.9 and kept >= 0.9 and count >= 50


def test_without_stabilising_the_panned_background_stays():
    clip, masks, _ = scene("pan")
    assert shares(track(clip, stabilise=False), masks)[0] < 0.05


def camera_error(tracks: Tracks) -> np.ndarray:
    """How far the found homographies are from the pan's, in pixels at the frame's corners, `[T-1]`."""
    corners = np.array([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]], float)
    return np.array([np.abs(stabilise.warp(corners, by) - corners - [-3, -0.7]).max() for by in tracks.homographies])


def test_boxes_keep_a_large_mover_from_being_taken_for_the_background():
    assert np.median(camera_error(tracked("pan", True, (170, 150)))) < 0.3
    assert np.median(camera_error(tracked("pan", False, (170, 150)))) > 3


def test_the_homography_is_the_cameras():
    found = tracked("zoom", True).homographies
    corners = np.array([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]], float)
    rng = np.random.default_rng(0)
    for t in range(FRAMES - 1):
        here, there = (np.vstack([camera("zoom", i, rng), [0, 0, 1]]) for i in (t, t + 1))
        true = stabilise.warp(corners, np.linalg.inv(there) @ here)
        assert np.abs(stabilise.warp(corners, found[t]) - true).max() < 0.35


def test_tracks_follow_the_mover():
    masks, tracks = scene("still")[1], tracked("still", False)
    inside = on_mover(tracks.points, tracks.start, masks).all(axis=1)
    points, start = tracks.points[inside], tracks.start[inside]
    own = 14 * np.sin((start[:, None] + np.arange(16)) / 4)
    true = np.stack([3.3 * np.arange(16) + np.zeros_like(own), own - own[:, :1]], axis=2)
    assert np.median(np.linalg.norm(points - points[:, :1] - true, axis=2)[:, -1]) < 0.5


def test_a_large_clip_gives_points_in_its_own_pixels():
    clip, masks, boxes = scene("pan")
    large = Clip(np.stack([cv2.resize(f, (2 * WIDTH, 2 * HEIGHT)) for f in clip.frames]), clip.times)
    tracks = track(large, boxes=[2 * b for b in boxes], long_side=WIDTH)
    assert tracks.ratio == 0.5
    half = Tracks(**{**vars(tracks), "points": tracks.points / 2, "camera_points": tracks.camera_points / 2})
    removed, kept, count = shares(half, masks)
    assert removed >= 0.9 and kept >= 0.9 and count >= 50


def test_a_still_clip_and_a_short_one_have_no_tracks():
    frames = np.repeat(scene("still")[0].frames[:1], 20, axis=0)
    still = track(Clip(frames, np.arange(20) / 25))
    assert len(still) == 0 and still.dropped["static"] > 100
    short = Clip(scene("pan")[0].frames[:15], np.arange(15) / 25)
    tracks = track(short)
    assert tracks.points.shape == (0, 16, 2)
    assert {name: d.shape for name, d in describe(tracks, short).items()} == {
        "trajectory": (0, 30),
        "hog": (0, 96),
        "hof": (0, 108),
        "mbhx": (0, 96),
        "mbhy": (0, 96),
    }


def test_a_frame_smaller_than_a_patch_has_no_tracks(rng):
    frames = rng.integers(0, 256, (20, 21, 33, 3), dtype=np.uint8)
    assert len(track(Clip(frames, np.arange(20) / 25))) == 0


def test_boxes_for_another_clip_are_refused():
    clip, _, boxes = scene("pan")
    with pytest.raises(ValueError, match="boxes for 3 frames"):
        track(clip, boxes=boxes[:3])


def test_static_erratic_and_camera_tracks_by_hand():
    still = np.zeros((15, 2))
    walk = np.tile([2.0, 0.0], (15, 1))
    jump = np.zeros((15, 2))
    jump[7] = [30, 0]  # one step of 30 pixels is the whole path
    creep = np.tile([0.9, 0.0], (15, 1))  # 13 pixels in all, never a whole one at once: the camera's
    wild = np.where(np.arange(15)[:, None] < 8, [20.0, 0.0], [18.0, 0.0])  # deviation 82 pixels
    steps = np.stack([still, walk, jump, creep, wild, still]).astype(np.float32)
    panned = np.stack([np.zeros((16, 2))] * 5 + [np.tile([[3.0, 0]], (16, 1)).cumsum(axis=0)])
    static, erratic, camera = useless_tracks(panned, steps)
    assert static.tolist() == [True, False, False, False, False, False]
    assert erratic.tolist() == [False, False, True, False, True, False]
    assert camera.tolist() == [False, False, False, True, False, True]


def test_flow_without_the_camera_is_zero_where_only_the_camera_moved(rng):
    by = np.array([[1.01, 0.005, 2.0], [-0.004, 0.99, -1.0], [1e-5, 0, 1]])
    here = np.stack(np.meshgrid(np.arange(50), np.arange(40)), axis=-1).astype(np.float32)
    flow = (stabilise.warp(here, by) - here).astype(np.float32)
    assert np.abs(stabilise.without_camera(flow, by)).max() < 1e-3
    shifted = np.broadcast_to(np.float32([5, -2]), (40, 50, 2))
    assert np.allclose(stabilise.without_camera(shifted, np.eye(3)), shifted)


def test_directions_by_hand():
    root_half = 0.5**0.5
    x = np.array([[2.0, 0.0, -3.0, 1.0]], np.float32)
    y = np.array([[0.0, 1.0, 0.0, np.tan(np.pi / 8)]], np.float32)  # the last lies between the first two directions
    bins = descriptors.by_direction(x, y)[0]
    length = 1 / np.cos(np.pi / 8)
    expected = np.zeros((4, 8))
    expected[0, 0], expected[1, 2], expected[2, 4] = 2, 1, 3
    expected[3, :2] = length / 2
    assert np.allclose(bins, expected, atol=1e-3)
    assert root_half < length  # a diagonal is longer than its parts


def test_cells_are_summed_like_a_literal_loop(rng):
    bins = rng.random((60, 80, 3)).astype(np.float32)
    centres = np.array([[40.0, 30.0], [2.0, 3.0], [79.0, 59.0]])  # the last two are moved inside
    corners = [(24, 14), (0, 0), (48, 28)]  # x, y of the first pixel
    for got, (x, y) in zip(descriptors.cell_sums(bins, centres), corners, strict=True):
        loop = [bins[y + r : y + r + 16, x + c : x + c + 16].sum(axis=(0, 1)) for r in (0, 16) for c in (0, 16)]
        assert np.allclose(got, np.concatenate(loop), rtol=1e-4)


def one_track(flow: np.ndarray, frames: np.ndarray) -> tuple[Tracks, Clip]:
    """A track that stays in the middle of a clip, with given flow."""
    points = np.full((1, 16, 2), 40.0, np.float32)
    steps = np.tile(np.float32([1, 0]), (1, 15, 1))
    nothing = np.zeros((0, 16, 2), np.float32), np.zeros(0, np.int32)
    by = np.tile(np.eye(3), (len(flow), 1, 1))
    start, scale = np.zeros(1, np.int32), np.zeros(1, np.int8)
    return Tracks(points, steps, start, scale, *nothing, by, flow), Clip(frames, np.arange(16) / 25)


def test_hog_of_a_ramp_and_motion_descriptors_of_constant_flow():
    ramp = np.broadcast_to((2 * np.arange(80)).astype(np.uint8)[None, None, :, None], (16, 80, 80, 3))
    flow = np.broadcast_to(np.float32([0, -2]), (15, 80, 80, 2))  # all upwards
    found = describe(*one_track(flow, np.ascontiguousarray(ramp)))
    even = (1 / 12) ** 0.5  # twelve cells with the same share
    hog = found["hog"].reshape(12, 8)
    assert np.allclose(hog[:, 0], even, atol=1e-4) and np.allclose(hog[:, 1:], 0)
    hof = found["hof"].reshape(12, 9)
    assert np.allclose(hof[:, 6], even, atol=1e-3) and np.allclose(np.delete(hof, 6, axis=1), 0, atol=1e-3)
    assert not found["mbhx"].any() and not found["mbhy"].any()
    assert np.allclose(found["trajectory"].reshape(15, 2), [1 / 15, 0])


def test_mbh_sees_the_border_between_two_motions():
    flow = np.zeros((15, 80, 80, 2), np.float32)
    flow[:, :, 40:, 0] = 3  # the right half moves to the right
    found = describe(*one_track(flow, np.zeros((16, 80, 80, 3), np.uint8)))
    assert not found["mbhy"].any()
    mbhx = found["mbhx"].reshape(12, 8)
    assert np.allclose((mbhx**2).sum(), 1, atol=1e-4)
    assert np.allclose(mbhx[:, 1:], 0)  # the gradient points to the right everywhere
    assert not found["hog"].any()


@pytest.mark.parametrize("speed", [0.0, 0.3])
def test_pixels_that_hardly_move_go_to_the_ninth_bin_of_hof(speed):
    flow = np.full((15, 80, 80, 2), [speed, 0], np.float32)
    hof = describe(*one_track(flow, np.zeros((16, 80, 80, 3), np.uint8)))["hof"].reshape(12, 9)
    assert np.allclose(hof[:, 8], (1 / 12) ** 0.5) and not hof[:, :8].any()


def test_the_picture_shows_kept_and_removed_tracks():
    clip, _, boxes = scene("pan")
    tracks = tracked("pan", True)
    before = clip.frames[12].copy()
    both, only_kept = draw(tracks, clip.frames[12], 12), draw(tracks, clip.frames[12], 12, removed=False)
    assert np.array_equal(clip.frames[12], before)
    left, top, right, bottom = boxes[12][0].astype(int)
    red = (only_kept[..., 0].astype(int) - only_kept[..., 1]) > 100
    assert red[top:bottom, left:right].mean() > 10 * np.delete(red, np.s_[left:right], axis=1).mean()
    assert (both != only_kept).any()


def test_cells_without_anything_in_them_hold_nothing_rather_than_a_rounding_error():
    """Running sums over numbers of very different size leave a little less than zero, which has no square root."""
    rng = np.random.default_rng(0)
    bins = np.zeros((120, 160, 8), np.float32)
    bins[:60, :80] = 10.0 ** rng.uniform(-12, 1, (60, 80, 8))
    centres = np.stack(np.meshgrid(np.arange(0, 160, 3.0), np.arange(0, 120, 3.0)), axis=-1).reshape(-1, 2)
    plain = cv2.boxFilter(bins, -1, (16, 16), normalize=False, borderType=cv2.BORDER_CONSTANT)
    assert plain.min() < 0  # what there is to guard against
    sums = descriptors.cell_sums(bins, centres)
    assert sums.min() >= 0 and np.isfinite(descriptors.root(sums)).all()
