"""Hulls of spheres, seen through the camera, shaded and painted from back to front.

Seen through the camera the hull of a few spheres is close to the hull of a few circles, whose outline is read
off its support function: for each of K directions the circle that reaches furthest. All frames at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from actrec.synthetic.camera import Camera

SHIFT = 4  # binary digits after the point in polygon corners
ROUND, SMOOTH = 12, 24  # corners of a limb's outline and of a torso's
THINNEST = 0.4  # radius in pixels below which a part is not drawn
FATTENED = 0.25  # pixels that an anti-aliased polygon comes out too large
LAYERS = np.array([(1.0, 0.0), (0.86, 0.14), (0.5, 0.36)], dtype=np.float32)  # of a part: size, nudge to the light
NEAREST = 0.25  # metres before the camera: what is nearer is behind the lens
SECOND, THIRD = 1.5, 4.0  # radii in pixels from which on a part shows its second and third layer


@dataclass
class Part:
    """Spheres `centres [T, n, 3]` with `radii [n]` in metres, one colour; `bias` metres nearer the camera."""

    centres: np.ndarray
    radii: np.ndarray
    colour: np.ndarray
    bias: float = 0.0
    shaded: bool = True
    shown: np.ndarray | None = None  # [T] bool
    corners: int = ROUND


@dataclass
class Outline:
    """A part through the camera: per frame polygons [layers, corners, 2] in fixed point, depth, whether shown."""

    polygons: list[np.ndarray]
    colours: list[list[float]]
    depth: np.ndarray
    shown: np.ndarray


def support(centres: np.ndarray, radii: np.ndarray, corners: int) -> np.ndarray:
    """Outlines [..., corners, 2] of the hulls of circles `centres [..., n, 2]`, `radii [..., n]`."""
    angle = np.arange(corners, dtype=np.float32) * np.float32(2 * np.pi / corners)
    d = np.stack([np.cos(angle), np.sin(angle)])  # [2, K]
    if centres.shape[-2] == 1:
        return centres + radii[..., None] * d.T
    reach = centres @ d + radii[..., None]  # [..., n, K]
    if centres.shape[-2] == 2:
        first = (reach[..., 0, :] >= reach[..., 1, :])[..., None]
        c = np.where(first, centres[..., :1, :], centres[..., 1:, :])
        return c + np.where(first, radii[..., :1, None], radii[..., 1:, None]) * d.T
    best = reach.argmax(-2)[..., None]  # [..., K, 1]
    r = np.take_along_axis(radii[..., None], best, -2)
    return np.take_along_axis(centres, best, -2) + r * d.T


def shades(colours: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Shadow, middle and lit tone [P, 3, 3] of colours [P, 3] under a light [3]."""
    tones = np.stack([0.8 * colours, 0.93 * colours, 1.06 * colours + 5], axis=1)
    return np.clip(tones * light, 0, 255)


def outlines(
    parts: list[Part], camera: Camera, size: tuple[int, int], lit: np.ndarray, light: np.ndarray
) -> list[Outline]:
    """Parts as polygons on a canvas (height, width); `lit` [2] points to the light in the picture.

    Parts too small to see and parts that never come into the picture are left out.
    """
    counts = np.array([p.centres.shape[1] for p in parts])
    uv, depth = camera.project(np.concatenate([p.centres for p in parts], axis=1))
    uv, depth = uv.astype(np.float32), depth.astype(np.float32)
    radii = np.concatenate([p.radii for p in parts]).astype(np.float32) * np.float32(camera.focal) / depth
    starts = np.cumsum(counts) - counts
    largest = np.maximum.reduceat(radii.max(0), starts)
    low = np.minimum.reduceat((uv - radii[..., None]).min(0), starts)
    high = np.maximum.reduceat((uv + radii[..., None]).max(0), starts)
    inside = ((high > 0) & (low < np.array([size[1], size[0]]))).all(-1) & (largest > THINNEST)
    tones = shades(np.stack([p.colour for p in parts]), light).tolist()
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i in np.flatnonzero(inside):
        layers = 1 + int(largest[i] > SECOND) + int(largest[i] > THIRD) if parts[i].shaded else 1
        groups.setdefault((int(counts[i]), layers, parts[i].corners), []).append(int(i))
    found = []
    for (n, layers, corners), members in groups.items():
        index = starts[members][:, None] + np.arange(n)  # [P, n]
        c, r, z = uv[:, index], radii[:, index] - FATTENED, depth[:, index]  # [T, P, n, …]
        shrink, nudge = LAYERS[:layers, 0], LAYERS[:layers, 1]
        c = c[:, :, None] + nudge[:, None, None] * (lit.astype(np.float32) * r[..., None])[:, :, None]
        r = np.maximum(shrink[:, None] * r[:, :, None], 0.05)  # [T, P, L, n]
        polygons = (np.clip(support(c, r, corners), -2000, 4000) * (1 << SHIFT)).astype(np.int32)
        near, ahead = z.mean(-1), z.min(-1) > NEAREST
        for k, member in enumerate(members):
            colours = tones[member][:layers] if layers > 1 else tones[member][1:2]
            shown = ahead[:, k] if parts[member].shown is None else ahead[:, k] & parts[member].shown
            found.append(Outline(list(polygons[:, k]), colours, near[:, k] - parts[member].bias, shown))
    return found


def orders(things: list[Outline], count: int) -> list[list[int]]:
    """For each of `count` frames the things that are shown in it, far ones first."""
    if not things:
        return [[] for _ in range(count)]
    depth = np.stack([thing.depth for thing in things])  # [N, T]
    depth[~np.stack([thing.shown for thing in things])] = -1.0
    ranks = np.argsort(-depth, axis=0, kind="stable").T
    return [rank[:count].tolist() for rank, count in zip(ranks, (depth > -1.0).sum(0), strict=True)]


def paint(canvas: np.ndarray, things: list[Outline], order: list[int], t: int) -> None:
    """Draw the things of frame `t` in their order."""
    fill, smooth, plain = cv2.fillConvexPoly, cv2.LINE_AA, cv2.LINE_8
    for i in order:
        thing = things[i]
        polygons, colours = thing.polygons[t], thing.colours
        fill(canvas, polygons[0], colours[0], smooth, SHIFT)
        for k in range(1, len(colours)):  # inner layers have soft colours: their edges need no smoothing
            fill(canvas, polygons[k], colours[k], plain, SHIFT)
