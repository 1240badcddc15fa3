"""Drawn people with exact boxes: one picture from one seed, for a detector to learn from.

The figures, the place and the camera are those of the synthetic actions. A person's box holds the pixels of the person
that are seen: who stands behind others has a smaller box, who is hidden has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from actrec.synthetic import ACTIONS, PAIRS, scenery
from actrec.synthetic.appearance import Look, draw_body, draw_look, vivid
from actrec.synthetic.camera import Camera, pair_view, place_camera
from actrec.synthetic.camera_effects import develop
from actrec.synthetic.figure import dress, held
from actrec.synthetic.outline import SHIFT, Outline, orders, outlines, paint
from actrec.synthetic.scene import Stage, chair, darken, draw_stage, shadow, stream
from actrec.synthetic.skeleton import INDEX, Body, Motion, Pose, pose, turn
from actrec.synthetic.texture import coloured, surface

TIMES = np.arange(14) / 5.0  # seconds of the movement of which one moment is drawn
COUNTS = np.array([6, 30, 28, 16, 10, 5, 3, 2], dtype=np.float64) / 100  # how often so many people are asked for
SEEN = 0.3  # share of a person that must not be hidden by others
SMALLEST = 8  # pixels: a person's height


@dataclass(frozen=True)
class Figure:
    """Somebody at one moment: everything of length 1 in time."""

    body: Body
    look: Look
    motion: Motion
    pose: Pose


def crowd(seed: int, size: tuple[int, int] = (256, 320)) -> tuple[np.ndarray, np.ndarray]:
    """A picture `uint8 [H, W, 3]` and the boxes `float32 [n, 4]` of the people in it, in pixels."""
    picture, owner, alone = portrait(seed, size)
    boxes = []
    for number, whole in enumerate(alone, start=1):
        mine = owner == number
        if mine.sum() < max(SEEN * whole, 1):
            continue
        columns, rows = np.flatnonzero(mine.any(0)), np.flatnonzero(mine.any(1))
        box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        if box[3] - box[1] >= SMALLEST:
            boxes.append(box)
    return picture, np.array(boxes, dtype=np.float32).reshape(-1, 4)


def portrait(seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The picture, whose pixel each one is `uint8 [H, W]` (0: nobody's), and how many each would fill alone."""
    rng = stream(seed, "crowd")
    stage = draw_stage(seed, None)
    figures, camera, stage = cast(rng, stage, size)
    things: list[Outline] = []
    owners: list[int] = []
    for number, figure in enumerate(figures, start=1):
        parts = dress(figure.body, figure.look, figure.pose, camera.position)
        if figure.motion.held:
            parts += held(figure.body, figure.pose, figure.motion, figure.look.accent)
        seat = chair(rng, figure.body, figure.pose) if figure.motion.seated else []
        for pieces, whose in ((parts, number), (seat, 0)):
            drawn = outlines(pieces, camera, size, stage.lit, stage.light) if pieces else []
            things += drawn
            owners += [whose] * len(drawn)
    canvas = backdrop(seed, stage, camera, figures, size, rng)
    order = orders(things, 1)[0]
    owner = np.zeros(size, np.uint8)
    for k in order:
        paint(canvas, things, [k], 0)
        cv2.fillConvexPoly(owner, things[k].polygons[0][0], owners[k], 8, SHIFT)
    alone = [filled([things[k] for k in order if owners[k] == n], size) for n in range(1, len(figures) + 1)]
    if rng.random() < 0.25:
        obstruct(rng, canvas, owner)
    return develop(stage.film, stream(seed, "film"), canvas[None])[0], owner, alone


def filled(things: list[Outline], size: tuple[int, int]) -> int:
    """How many pixels of the picture these things cover."""
    mask = np.zeros(size, np.uint8)
    for thing in things:
        cv2.fillConvexPoly(mask, thing.polygons[0][0], 1, 8, SHIFT)
    return int(mask.sum())


def backdrop(
    seed: int, stage: Stage, camera: Camera, figures: list[Figure], size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """The empty place, with the shadows at people's feet."""
    feet = float(camera.project(np.zeros((1, 1, 3)))[0][0, 0, 1] - camera.drift[0, 1])
    place = scenery.backdrop(stream(seed, "scenery"), stage.view.framing, size, camera.horizon, feet)
    canvas = scenery.seen(place, camera.drift[0], size)
    if stage.view.framing != "webcam":
        strength = rng.uniform(0.05, 0.3)
        for figure in figures:
            darken(canvas, shadow(figure.pose, camera, figure.body)[0], strength)
    return canvas


def obstruct(rng: np.random.Generator, canvas: np.ndarray, owner: np.ndarray) -> None:
    """A thing in front of everybody, mostly at the lower edge: a table, a bush, a board."""
    height, width = owner.shape
    wide, tall = int(width * rng.uniform(0.1, 0.6)), int(height * rng.uniform(0.08, 0.4))
    left, top = int(rng.uniform(-0.2, 0.9) * width), height - int(tall * rng.uniform(0.4, 1.6))
    mask = np.zeros(owner.shape, np.uint8)
    if rng.random() < 0.5:
        cv2.rectangle(mask, (left, top), (left + wide, top + tall), 1, -1)
    else:
        middle = (left + wide // 2, top + tall // 2)
        cv2.ellipse(mask, middle, (wide // 2 + 1, tall // 2 + 1), float(rng.uniform(-30, 30)), 0, 360, 1, -1)
    kind = str(rng.choice(("wood", "leaves", "plaster", "cloud", "grass")))
    tone = vivid(rng)
    cloth = coloured(surface(rng, kind, owner.shape, float(np.exp(rng.uniform(-0.7, 1.2)))), 0.5 * tone, 1.3 * tone)
    canvas[mask > 0] = cloth[mask > 0]
    owner[mask > 0] = 0


def cast(rng: np.random.Generator, stage: Stage, size: tuple[int, int]) -> tuple[list[Figure], Camera, Stage]:
    """Who is there, and the camera that looks at them: one person or a pair in the middle, others anywhere."""
    count = int(rng.choice(len(COUNTS), p=COUNTS))
    paired = rng.random() < 0.4
    t = int(rng.integers(len(TIMES)))
    if paired:
        bodies = (stage.body, draw_body(rng))
        motions = list(PAIRS.values())[rng.integers(len(PAIRS))](rng, bodies, TIMES)
        acting = [
            Figure(b, k, m, moment(pose(b, m), t))
            for b, k, m in zip(bodies, (stage.look, draw_look(rng)), motions, strict=True)
            if not m.absent
        ]
        view = pair_view(rng, stage.view)
    else:
        acting, view = [somebody(rng, stage.body, stage.look, t, stage.seated)], stage.view
    if view.framing != "webcam" and rng.random() < 0.4:  # seen from afar
        view = replace(view, share=view.share * rng.uniform(0.25, 1.0))
    first = acting[0]
    crown = first.body.stature - first.motion.sunk * first.body.leg
    camera = place_camera(
        rng, view, first.body, np.zeros(3), np.array([0.0, 1.0]), size, head=crown, reach=first.motion.reach
    )
    camera = replace(camera, drift=camera.drift[:1])
    others = [elsewhere(rng, camera, somebody(rng, draw_body(rng), draw_look(rng), t)) for _ in range(count - 1)]
    return ([] if count == 0 else acting) + others, camera, replace(stage, view=view)


def somebody(rng: np.random.Generator, body: Body, look: Look, t: int, seated: bool = False) -> Figure:
    """One person in the middle of any action, now and then lying."""
    motion = list(ACTIONS.values())[rng.integers(len(ACTIONS))](rng, body, TIMES, seated)
    motion.heading += 0.0 if rng.random() < 0.4 else rng.uniform(-np.pi, np.pi)
    now = moment(pose(body, motion), t)
    if not motion.seated and rng.random() < 0.12:
        now = laid(rng, now)
    return Figure(body, look, motion, now)


def moment(whole: Pose, t: int) -> Pose:
    """A pose at one moment."""
    now = slice(t, t + 1)
    return Pose(whole.joints[now], whole.head[now], whole.hands[now], whole.spread[now])


def laid(rng: np.random.Generator, now: Pose) -> Pose:
    """The same pose lying, on the belly or on the back, the body level or raised at one end as in a push-up."""
    tilt = np.array([rng.choice((-1.0, 1.0), p=(0.3, 0.7)) * np.pi / 2 + rng.normal(0, 0.2)])
    rotation = (turn(rng.uniform(-np.pi, np.pi, 1), 1) @ turn(tilt, 0))[0]
    hips = now.joints[:, [INDEX["Hips"]]]
    joints = (now.joints - hips) @ rotation.T + hips * np.array([1.0, 0.0, 1.0])
    joints[..., 1] += 0.06 - min(0.0, float(joints[..., 1].min())) + max(0.0, float(rng.normal(0, 0.1)))
    return Pose(joints, rotation @ now.head, now.hands @ rotation.T, now.spread)


def elsewhere(rng: np.random.Generator, camera: Camera, figure: Figure) -> Figure:
    """The same person somewhere else on the ground that the camera sees."""
    flat = camera.axes[2] * np.array([1.0, 0.0, 1.0])
    flat /= np.linalg.norm(flat)
    away = float(np.linalg.norm(camera.position))
    behind = rng.uniform(-0.35 * away, 0.35 * away) if rng.random() < 0.5 else rng.uniform(0.0, 6.0)
    half = max(away + behind, 0.5) * camera.centre[0] / camera.focal
    aside = rng.uniform(-1.0, 1.0) * half
    to = flat * behind + camera.axes[0] * np.array([1.0, 0.0, 1.0]) * aside
    return replace(figure, pose=replace(figure.pose, joints=figure.pose.joints + to))
