"""A pinhole camera that looks at a figure: where it stands, how it trembles and pans."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actrec.synthetic.skeleton import Body, unit
from actrec.synthetic.timing import wander

FRAMINGS = ("whole", "webcam")


@dataclass(frozen=True)
class Camera:
    """World points [..., 3] in metres to pixels (x right, y down) of a canvas (height, width)."""

    position: np.ndarray
    axes: np.ndarray  # rows: right, up, forward
    focal: float  # pixels
    centre: np.ndarray  # pixels
    drift: np.ndarray  # [T, 2] pixels: shake and pan

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels [T, N, 2] and depths [T, N] in metres of points [T, N, 3]."""
        seen = (points - self.position) @ self.axes.T
        depth = np.maximum(seen[..., 2], 0.12)
        uv = self.focal * seen[..., :2] / depth[..., None] * np.array([1.0, -1.0]) + self.centre
        return uv + self.drift[:, None], depth

    def passing(self, glide: np.ndarray) -> np.ndarray:
        """Pixels [T, 2] by which the background moves when the camera goes along by `glide` [T, 3] metres."""
        distance = 1.4 * np.linalg.norm(self.position)  # the background is further away than the figure
        sideways = (glide - glide[len(glide) // 2]) @ self.axes[0]
        return np.stack([-self.focal * sideways / distance, np.zeros(len(glide))], -1)

    @property
    def horizon(self) -> float:
        """The row of the horizon, in pixels."""
        return float(self.centre[1] + self.focal * self.axes[2, 1] / max(np.hypot(*self.axes[2, [0, 2]]), 1e-3))


def looking(position: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """Rows right, up, forward of a camera at `position` that looks at `target`."""
    forward = unit(target - position)
    right = unit(np.cross(forward, np.array([0.0, 1.0, 0.0])))
    up = np.cross(right, forward)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * up, c * up - s * right, forward])


@dataclass(frozen=True)
class View:
    """Where the camera is put, drawn once per scene and the same for every action."""

    framing: str
    yaw: float
    elevation: float
    field: float  # vertical field of view, radians
    share: float  # whole: stature ÷ frame height; webcam: metres of the scene seen from top to bottom
    shift: tuple[float, float]  # of the figure in the frame, shares of the frame
    roll: float
    shake: float  # shares of the frame's height
    pan: float  # shares of the frame's width per second


def draw_view(rng: np.random.Generator, framing: str | None) -> View:
    """A random viewpoint: mostly frontal, at the height of a head or a chest, now and then high or low."""
    framing = framing or str(rng.choice(FRAMINGS))
    yaw = float(np.clip(rng.normal(0, 0.42), -0.9, 0.9))
    if rng.random() < 0.08:
        yaw = float(rng.uniform(-np.pi, np.pi))
    shaken = rng.random()
    shake = 0.0 if shaken < 0.4 else float(np.exp(rng.uniform(np.log(0.001), np.log(0.012))))
    pan = float(rng.normal(0, 0.03)) if rng.random() < 0.12 else 0.0
    if framing == "webcam":
        return View(
            framing,
            0.7 * yaw,
            float(rng.normal(0.0, 0.12)),
            float(rng.uniform(0.6, 1.0)),
            float(np.exp(rng.uniform(np.log(0.75), np.log(1.9)))),
            (float(rng.normal(0, 0.09)), float(rng.uniform(0.02, 0.3))),
            float(rng.normal(0, 0.03)),
            shake,
            0.3 * pan,
        )
    elevation = rng.normal(0.06, 0.08) if rng.random() < 0.75 else rng.uniform(0.1, 0.42)
    return View(
        framing,
        yaw,
        float(elevation),
        float(rng.uniform(0.35, 0.85)),
        float(rng.uniform(0.36, 0.86)),
        (float(rng.normal(0, 0.1)), float(rng.uniform(-0.04, 0.06))),
        float(rng.normal(0, 0.02)),
        shake,
        pan,
    )


def pair_view(rng: np.random.Generator, view: View) -> View:
    """The same camera turned to see two people from the side, mostly from above, as surveillance does."""
    yaw = rng.normal(0, 0.22) + (np.pi if rng.random() < 0.5 else 0.0)
    share = rng.uniform(0.5, 0.92) if view.framing == "whole" else rng.uniform(0.9, 1.25)
    high = rng.uniform(0.1, 0.45) if rng.random() < 0.65 else rng.uniform(-0.03, 0.12)
    shift = (float(rng.normal(0, 0.04)), float(rng.uniform(-0.05, 0.05)) - 0.25 * max(0.0, share - 0.9))
    return replace(view, framing="pair", yaw=yaw, elevation=high, field=rng.uniform(0.2, 0.6), share=share, shift=shift)


def drifting(rng: np.random.Generator, view: View, times: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shake and pan [T, 2] in pixels of a canvas (height, width)."""
    height, width = size
    drift = np.stack([wander(rng, times, view.shake * height, 0.3, 3.0) for _ in range(2)], axis=-1)
    drift[:, 0] += view.pan * width * (times - times.mean())
    return drift


def place_camera(
    rng: np.random.Generator,
    view: View,
    body: Body,
    centre: np.ndarray,
    times: np.ndarray,
    size: tuple[int, int],
    *,
    head: float | None = None,
    reach: float = 0.0,
) -> Camera:
    """The camera of a view for a body whose middle stands at `centre` (on the ground).

    `head` is the height of the crown where it differs from the stature (a body that sits); `reach` are
    metres that the frame must hold to the left and to the right of the middle.
    """
    height, width = size
    focal = 0.5 * height / np.tan(0.5 * view.field)
    crown = body.stature if head is None else head
    if view.framing == "webcam":
        extent = max(view.share, 1.3 * reach * height / width)
        distance = max(extent * focal / height, 0.55)
        extent = distance * height / focal
        target = centre + np.array([0.0, crown + view.shift[1] * extent - 0.5 * extent, 0.0])
    else:
        extent = crown / view.share
        if reach > 0:  # walkers and pairs: wide enough, by a share that varies with the view
            extent = max(extent, 2 * reach * height / width * (0.75 + 0.5 * view.share))
        distance = extent * focal / height
        target = centre + np.array([0.0, 0.5 * crown + view.shift[1] * extent, 0.0])
    flat, rise = np.cos(view.elevation) * distance, np.sin(view.elevation) * distance
    position = target + np.array([np.sin(view.yaw) * flat, rise, np.cos(view.yaw) * flat])
    position[1] = max(position[1], 0.15)
    middle = np.array([width * (0.5 + view.shift[0]), 0.5 * height])
    axes = looking(position, target, view.roll)
    return Camera(position, axes, focal, middle, drifting(rng, view, times, size))
