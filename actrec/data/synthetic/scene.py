"""One clip from one seed: a person, a place and a camera drawn from the seed, a movement from seed and action.

Everything but the movement depends on the seed alone. Clips of different actions with the same seed show the
same person in the same place, so that a classifier finds no label in clothes, background or camera.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from actrec.data.synthetic import scenery
from actrec.data.synthetic.camera import Camera, View, draw_view, place_camera
from actrec.data.synthetic.figure import SHIFT, Outline, Part, dress, outlines, paint, support
from actrec.data.synthetic.film import Film, develop, draw_film
from actrec.data.synthetic.look import Look, draw_body, draw_look, vivid
from actrec.data.synthetic.skeleton import ANKLE, INDEX, Body, Motion, Pose
from actrec.data.synthetic.skeleton import pose as posed


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


def stream(seed: int, name: str) -> np.random.Generator:
    """An own stream of random numbers per seed and purpose."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def draw_stage(seed: int, framing: str | None) -> Stage:
    """Person, viewpoint, light and film of a seed."""
    rng = stream(seed, "stage")
    view = draw_view(rng, framing)
    seated = bool(rng.random() < (0.5 if view.framing == "webcam" else 0.1))
    angle = rng.uniform(0, 2 * np.pi)
    lit = np.array([np.cos(angle), -abs(np.sin(angle))]) * rng.uniform(0.5, 1.0)
    light = rng.uniform(0.8, 1.12) * (1 + rng.normal(0, 0.03, 3))
    return Stage(view, seated, draw_body(rng), draw_look(rng), draw_film(rng), lit, light)


def chair(rng: np.random.Generator, body: Body, pose: Pose) -> list[Part]:
    """A seat, a back and legs under a body that sits."""
    t = len(pose)
    seat = float(np.median(pose.joints[:, INDEX["Hips"], 1])) - 0.075 * body.stature
    middle = pose.joints[:, INDEX["Hips"]].mean(0)
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


def shoot(
    stage: Stage,
    seed: int,
    motion: Motion,
    camera: Camera,
    things: list[Outline],
    shadows: list[np.ndarray],
    size: tuple[int, int],
    scale: int,
) -> np.ndarray:
    """Draw and develop all frames [T, H, W, 3] at `size`; the canvas is `scale` times larger."""
    canvas_size = (size[0] * scale, size[1] * scale)
    rng = stream(seed, "scenery")
    picture = scenery.backdrop(rng, stage.view.framing, canvas_size, camera.horizon)
    strength = rng.uniform(0.05, 0.3)
    frames = np.empty((len(motion.times), *size, 3), np.uint8)
    for t in range(len(motion.times)):
        canvas = scenery.seen(picture, camera.drift[t], canvas_size)
        for polygons in shadows:
            darken(canvas, polygons[t], strength)
        paint(canvas, things, t)
        frames[t] = cv2.resize(canvas, (size[1], size[0]), interpolation=cv2.INTER_AREA) if scale > 1 else canvas
    return develop(stage.film, stream(seed, "film"), frames)


def film_single(
    program, seed: int, action: str, times: np.ndarray, size: tuple[int, int], framing: str | None
) -> np.ndarray:
    """Frames of one person who performs one action."""
    stage = draw_stage(seed, framing)
    scale = 2 if max(size) <= 128 else 1
    body = stage.body
    motion: Motion = program(stream(seed, action), body, times, stage.seated)
    return film_motion(stage, seed, motion, size, scale)


def film_motion(stage: Stage, seed: int, motion: Motion, size: tuple[int, int], scale: int) -> np.ndarray:
    body = stage.body
    pose = posed(body, motion)
    crown = body.stature - (0.5 * body.leg if motion.seated else 0.0)
    canvas_size = (size[0] * scale, size[1] * scale)
    centre = np.array([0.0, 0.0, 0.0])
    camera = place_camera(stream(seed, "camera"), stage.view, body, centre, motion.times, canvas_size, head=crown)
    parts = dress(body, stage.look, pose, camera.position)
    if motion.seated:
        parts += chair(stream(seed, "chair"), body, pose)
    things = outlines(parts, camera, stage.lit, stage.light)
    shadows = [shadow(pose, camera, body)] if stage.view.framing == "whole" else []
    return shoot(stage, seed, motion, camera, things, shadows, size, scale)
