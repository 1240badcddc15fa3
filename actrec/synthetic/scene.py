"""One clip from one seed: a person, a place and a camera drawn from the seed, a movement from seed and action.

Everything but the movement depends on the seed alone. Clips of different actions with the same seed show the
same person in the same place, so that a classifier finds no label in clothes, background or camera.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from actrec.synthetic import gait, gestures, scenery
from actrec.synthetic.appearance import Look, draw_body, draw_look, vivid
from actrec.synthetic.camera import Camera, View, draw_view, pair_view, place_camera
from actrec.synthetic.camera_effects import Film, develop, draw_film
from actrec.synthetic.captures import Capture, replay
from actrec.synthetic.figure import dress, held
from actrec.synthetic.outline import SHIFT, Part, orders, outlines, paint, support
from actrec.synthetic.skeleton import ANKLE, INDEX, Body, Motion, Pose
from actrec.synthetic.skeleton import pose as posed


@dataclass(frozen=True)
class Setting:
    """What of a scene is not left to chance: the places, how many others walk about, how the camera moves.

    `shake` (shares of the frame's height) and `pan` (shares of its width per second) are ranges of their size.
    """

    places: tuple[str, ...] = tuple(scenery.KINDS)
    movers: int | None = None
    shake: tuple[float, float] | None = None
    pan: tuple[float, float] | None = None

    def seen(self, view: View, rng: np.random.Generator) -> View:
        """The view with this setting's camera motion."""
        if self.shake is not None:
            view = replace(view, shake=float(rng.uniform(*self.shake)))
        if self.pan is not None:
            view = replace(view, pan=float(rng.uniform(*self.pan) * rng.choice((-1, 1))))
        return view


ANY = Setting()
HARD = Setting(("clutter", "room"), movers=2, shake=(0.006, 0.02), pan=(0.02, 0.06))
PLAIN = Setting(("plain",), movers=0, shake=(0.0, 0.0), pan=(0.0, 0.0))
SETTINGS = {"any": ANY, "hard": HARD, "plain": PLAIN}


@dataclass(frozen=True)
class Stage:
    """What a seed says about a clip before anybody moves."""

    view: View
    seated: bool
    body: Body
    look: Look
    film: Film
    lit: np.ndarray
    light: np.ndarray
    shutter: float  # seconds that a frame is exposed, where that blurs what moves; else 0
    setting: Setting = ANY

    def moments(self, times: np.ndarray) -> np.ndarray:
        """The seconds that are drawn: one per frame, or its first and last when the exposure is long."""
        if not self.shutter:
            return times
        return np.stack([times, times + self.shutter], axis=1).ravel()


def stream(seed: int, name: str) -> np.random.Generator:
    """An own stream of random numbers per seed and purpose."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def draw_stage(seed: int, framing: str | None, setting: Setting = ANY) -> Stage:
    """Person, viewpoint, light and film of a seed."""
    rng = stream(seed, "stage")
    view = setting.seen(draw_view(rng, framing), stream(seed, "setting"))
    seated = bool(rng.random() < (0.5 if view.framing == "webcam" else 0.1))
    angle = rng.uniform(0, 2 * np.pi)
    lit = np.array([np.cos(angle), -abs(np.sin(angle))]) * rng.uniform(0.5, 1.0)
    light = rng.uniform(0.8, 1.12) * (1 + rng.normal(0, 0.03, 3))
    shutter = float(rng.uniform(0.015, 0.06)) if rng.random() < 0.08 else 0.0
    return Stage(view, seated, draw_body(rng), draw_look(rng), draw_film(rng), lit, light, shutter, setting)


def chair(rng: np.random.Generator, body: Body, pose: Pose) -> list[Part]:
    """A seat, a back and legs under a body that sits."""
    t = len(pose)
    middle = pose.joints[pose.joints[:, INDEX["Hips"], 1].argmin(), INDEX["Hips"]]
    seat = middle[1] - 0.075 * body.stature
    half, back = 0.24, middle[2] - 0.2
    front = middle[2] + 0.25
    colour = vivid(rng) * 0.8
    tall = rng.uniform(0.3, 0.6)
    corner = lambda x, y, z: np.array([middle[0] + x, y, z])  # noqa: E731
    still = lambda points: np.repeat(np.stack(points)[None], t, 0)  # noqa: E731
    sides = [corner(s * half, seat, z) for s in (-1, 1) for z in (back, front)]
    parts = [Part(still(sides), np.full(4, 0.03), colour, bias=-0.05)]
    high = [corner(s * half * 0.9, y, back) for s in (-1, 1) for y in (seat + 0.1, seat + tall)]
    parts.append(Part(still(high), np.full(4, 0.03), colour * 0.9, bias=-0.1))
    for foot in sides:
        ends = still([foot, foot * np.array([1.0, 0.0, 1.0])])
        parts.append(Part(ends, np.array([0.018, 0.015]), colour * 0.6, bias=-0.08))
    return parts


def shadow(pose: Pose, camera: Camera, body: Body) -> np.ndarray:
    """Outlines [T, 2, corners, 2] of a soft shadow around the feet, fixed point."""
    feet = pose.joints[:, ANKLE].copy()
    hips = pose.joints[:, [INDEX["Hips"]]].copy()
    spots = np.concatenate([feet, hips], 1)
    spots[..., 1] = 0.0
    flat = support(spots[..., [0, 2]], np.full(spots.shape[:2], 0.16 * body.stature), 20)
    rings = [0.62, 1.0]
    middle = spots[..., [0, 2]].mean(1, keepdims=True)
    found = []
    for ring in rings:
        ground = middle + (flat - middle) * ring
        points = np.stack([ground[..., 0], np.zeros_like(ground[..., 0]), ground[..., 1]], -1)
        found.append(np.clip(camera.project(points)[0], -2000, 4000))
    return (np.stack(found, 1) * (1 << SHIFT)).astype(np.int32)


def darken(canvas: np.ndarray, polygons: np.ndarray, strength: float) -> None:
    """Multiply the inside of polygons by 1 − strength, one after the other."""
    height, width = canvas.shape[:2]
    for polygon in polygons:
        x0, y0 = np.maximum(polygon.min(0) >> SHIFT, 0)
        x1, y1 = polygon.max(0) >> SHIFT
        patch = canvas[y0 : min(y1 + 1, height), x0 : min(x1 + 1, width)]
        if patch.size == 0:
            continue
        mask = np.zeros(patch.shape[:2], np.uint8)
        moved = polygon - (np.array([x0, y0]) << SHIFT)
        cv2.fillConvexPoly(mask, moved.astype(np.int32), round(255 * strength), cv2.LINE_AA, SHIFT)
        patch[:] = cv2.multiply(patch, cv2.merge([255 - mask] * 3), scale=1 / 255)


@dataclass(frozen=True)
class Actor:
    """Somebody in the picture."""

    body: Body
    look: Look
    motion: Motion
    pose: Pose


def act(body: Body, look: Look, motion: Motion) -> Actor:
    return Actor(body, look, motion, posed(body, motion))


def outfit(actor: Actor, seed: int, camera: Camera) -> list[Part]:
    """Everything that is drawn for an actor: the dressed figure, what it holds, the chair."""
    parts = dress(actor.body, actor.look, actor.pose, camera.position)
    if actor.motion.held:
        parts += held(actor.body, actor.pose, actor.motion, actor.look.accent)
    if actor.motion.seated:
        parts += chair(stream(seed, "chair"), actor.body, actor.pose)
    return parts


def bystanders(seed: int, camera: Camera, setting: Setting, times: np.ndarray) -> list[Actor]:
    """Now and then somebody walks past or stands about in the background; a setting's movers all walk."""
    rng = stream(seed, "bystanders")
    count = int(rng.choice((0, 1, 2), p=(0.84, 0.12, 0.04)))
    if setting.movers is not None:
        count = setting.movers
    found = []
    flat = camera.axes[2] * np.array([1.0, 0.0, 1.0])
    flat /= np.linalg.norm(flat)
    for _ in range(count):
        body, look = draw_body(rng), draw_look(rng)
        if rng.random() < 0.6 or setting.movers is not None:
            motion = gait.walk(rng, body, times, False)
            motion.glide[:] = 0.0
        else:
            motion = gestures.idle(rng, body, times, False)
            motion.heading += rng.uniform(-np.pi, np.pi)
        behind = rng.uniform(2.0, 6.0)
        width = 0.5 * (np.linalg.norm(camera.position) + behind) * 2 * camera.centre[0] / camera.focal
        motion.root += flat * behind + camera.axes[0] * np.array([1.0, 0.0, 1.0]) * rng.uniform(-1, 1) * width
        found.append(act(body, look, motion))
    return found


def shoot(
    stage: Stage, seed: int, camera: Camera, actors: list[Actor], times: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Draw and develop all frames [T, H, W, 3] from the moments `times`."""
    behind = bystanders(seed, camera, stage.setting, times)
    things = [
        outline
        for actor in (*actors, *behind)
        for outline in outlines(outfit(actor, seed, camera), camera, size, stage.lit, stage.light)
    ]
    order = orders(things, len(times))
    whole = stage.view.framing != "webcam"
    shadows = [shadow(a.pose, camera, a.body) for a in (*actors, *behind)] if whole else []
    rng = stream(seed, "scenery")
    feet = float(camera.project(np.zeros((1, 1, 3)))[0][0, 0, 1] - camera.drift[0, 1])
    picture = scenery.backdrop(rng, stage.view.framing, size, camera.horizon, feet, stage.setting.places)
    moved = camera.drift + camera.passing(actors[0].motion.glide)
    strength = rng.uniform(0.05, 0.3)
    each = 2 if stage.shutter else 1
    frames = np.empty((len(times) // each, *size, 3), np.uint8)
    for k in range(len(frames)):
        t = each * k
        canvas = scenery.seen(picture, moved[t], size)
        for polygons in shadows:
            darken(canvas, polygons[t], strength)
        later = canvas.copy() if stage.shutter else canvas
        paint(canvas, things, order[t], t)
        if stage.shutter:
            paint(later, things, order[t + 1], t + 1)
            canvas = cv2.addWeighted(canvas, 0.5, later, 0.5, 0)
        frames[k] = canvas
    return develop(stage.film, stream(seed, "film"), frames)


def letterboxed(rng: np.random.Generator, size: tuple[int, int], share: float) -> tuple[int, int]:
    """The size of the picture inside black bars: as large as the frame but for a share of clips."""
    height, width = size
    if rng.random() >= share:
        return size
    part = rng.choice((0.5625, 0.75, rng.uniform(0.6, 0.97)))
    return (round(height * part), width) if rng.random() < 0.75 else (height, round(width * part))


def barred(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames in the middle of a black picture of another size."""
    if frames.shape[1:3] == size:
        return frames
    full = np.zeros((len(frames), *size, 3), np.uint8)
    top, left = (size[0] - frames.shape[1]) // 2, (size[1] - frames.shape[2]) // 2
    full[:, top : top + frames.shape[1], left : left + frames.shape[2]] = frames
    return full


def film_single(
    program: Callable | Capture,
    seed: int,
    action: str,
    times: np.ndarray,
    size: tuple[int, int],
    framing: str | None,
    setting: Setting = ANY,
) -> np.ndarray:
    """Frames of one person who performs one action, by a program or as recorded."""
    stage = draw_stage(seed, framing, setting)
    times = stage.moments(times)
    body, rng = stage.body, stream(seed, action)
    if isinstance(program, Capture):
        actor = Actor(body, stage.look, *replay(rng, body, program, times))
    else:
        actor = act(body, stage.look, program(rng, body, times, stage.seated))
    inner = letterboxed(stream(seed, "bars"), size, 0.1)
    crown, reach = body.stature - actor.motion.sunk * body.leg, actor.motion.reach
    camera = place_camera(stream(seed, "camera"), stage.view, body, np.zeros(3), times, inner, head=crown, reach=reach)
    return barred(shoot(stage, seed, camera, [actor], times, inner), size)


def film_pair(
    program: Callable,
    seed: int,
    action: str,
    times: np.ndarray,
    size: tuple[int, int],
    framing: str | None,
    setting: Setting = ANY,
) -> np.ndarray:
    """Frames of two people who do something together."""
    stage = draw_stage(seed, framing or "whole", setting)
    times = stage.moments(times)
    rng = stream(seed, "second")
    second = draw_body(rng)
    view = pair_view(rng, stage.view)
    stage = replace(stage, view=view)
    bodies, looks = (stage.body, second), (stage.look, draw_look(rng))
    motions = program(stream(seed, action), bodies, times)
    actors = [act(b, k, m) for b, k, m in zip(bodies, looks, motions, strict=True) if not m.absent]
    taller = max((a.body for a in actors), key=lambda b: b.stature)
    inner = letterboxed(rng, size, 0.35)
    reach = max(m.reach for m in motions)
    camera = place_camera(stream(seed, "camera"), view, taller, np.zeros(3), times, inner, reach=reach)
    return barred(shoot(stage, seed, camera, actors, times, inner), size)
