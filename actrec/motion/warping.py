"""The parts that coarse-to-fine flow methods share: image pyramids, warping by a flow, flow carried to a
finer picture.

Images are `float32 [B, C, H, W]`, flows `[B, 2, H, W]` in pixels: x to the right, then y downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

PIXELS_AT_ONCE = 320 * 240  # on a CPU: more than that leaves its caches, less is outweighed by an operator's fixed cost


def pairs_at_once(images: Tensor) -> int:
    """The number of pairs to compute together: all of a batch, except on a CPU."""
    height, width = images.shape[-2:]
    return max(1, PIXELS_AT_ONCE // (height * width)) if images.device.type == "cpu" else len(images)


def pyramid(images: Tensor, scales: int, step: float, smallest: int = 10) -> list[Tensor]:
    """The images at sizes 1, step, step², … (finest first), low-passed before each is made smaller.

    Fewer than `scales` come back when the next one would be smaller than `smallest` pixels on a side.
    """
    levels = [images]
    height, width = images.shape[-2:]
    for level in range(1, scales):
        size = round(height * step**level), round(width * step**level)
        if min(size) < smallest:
            break
        levels.append(F.interpolate(levels[-1], size=size, mode="bilinear", antialias=True))
    return levels


def grow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """A flow carried to another image size, its lengths with it."""
    height, width = flow.shape[-2:]
    grown = F.interpolate(flow, size=size, mode="bilinear")
    grown[:, 0] *= size[1] / width
    grown[:, 1] *= size[0] / height
    return grown


def coarse_to_fine(
    first: Tensor, second: Tensor, scales: int, step: float, refined: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """The flow `[B, 2, H, W]` from grey images `[B, H, W]` to their successors, from the coarsest size to the finest.

    `refined` improves a flow of one size: it gets both images `[B, 1, H, W]` of that size, and the flow so far.
    """
    coarse_first = pyramid(first[:, None], scales, step)
    coarse_second = pyramid(second[:, None], scales, step)
    flow = first.new_zeros(len(first), 2, *coarse_first[-1].shape[-2:])
    for before, after in zip(reversed(coarse_first), reversed(coarse_second), strict=True):
        if flow.shape[-2:] != before.shape[-2:]:
            flow = grow(flow, (before.shape[-2], before.shape[-1]))
        flow = refined(before, after, flow)
    return flow.contiguous()


def in_chunks(images: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Images and the tensors that belong to them, in chunks of as many pairs as fit the processor best."""
    chunk = pairs_at_once(images)
    return zip(*(part.split(chunk) for part in (images, *others)), strict=True)


def sampling_grid(flow: Tensor) -> Tensor:
    """Where a flow points, in the coordinates of `grid_sample` (align_corners): `[B, H, W, 2]` in −1 … 1."""
    height, width = flow.shape[-2:]
    grid = torch.empty(flow.shape[0], height, width, 2, dtype=flow.dtype, device=flow.device)
    for axis, length in enumerate((width, height)):
        scale = 2 / max(length - 1, 1)
        place = torch.arange(length, dtype=flow.dtype, device=flow.device) * scale - 1
        place = place[None, None, :] if axis == 0 else place[None, :, None]
        torch.add(place, flow[:, axis], alpha=scale, out=grid[..., axis])
    return grid


def halfway(images: Tensor, axis: int) -> Tensor:
    """Images with a pixel put between any two along an axis, by the cubic through the four nearest ones."""
    length = images.shape[axis]
    if length < 2:
        return images
    ends = [images.narrow(axis, 0, 1), images, images.narrow(axis, length - 1, 1)]
    wide = torch.cat(ends, axis)
    near = wide.narrow(axis, 1, length - 1) + wide.narrow(axis, 2, length - 1)
    far = wide.narrow(axis, 0, length - 1) + wide.narrow(axis, 3, length - 1)
    shape = list(images.shape)
    shape[axis] = 2 * length - 1
    out = images.new_empty(shape)
    even, odd = [slice(None)] * images.dim(), [slice(None)] * images.dim()
    even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
    out[tuple(even)] = images
    out[tuple(odd)] = near.mul_(0.5625).sub_(far, alpha=0.0625)
    return out


def finer(images: Tensor) -> Tensor:
    """Images at twice the resolution, `[B, C, 2H − 1, 2W − 1]`: the old pixels stay, cubics lie between them."""
    return halfway(halfway(images, 2), 3)


def warp(fine: Tensor, slopes: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Images and slopes looked up where the flow points, and a mask `[B, 1, H, W]` of targets in view.

    `fine` are the images made `finer`, `slopes` are not. Both are then interpolated linearly, which on a CPU takes an
    eighth of the time of bicubic interpolation and with the finer images is closer to the truth.
    """
    grid = sampling_grid(flow)
    warped, steered = (
        F.grid_sample(part, grid, mode="bilinear", padding_mode="border", align_corners=True) for part in (fine, slopes)
    )
    inside = (grid.abs().amax(-1) <= 1).unsqueeze(1)
    return warped, steered, inside


def central_gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    """(I[x+1] − I[x−1]) / 2 along x and along y; half of the one-sided difference at the border."""
    along_x, along_y = torch.empty_like(images), torch.empty_like(images)
    for out, axis in ((along_x, -1), (along_y, -2)):
        length = images.shape[axis]
        first, last = images.narrow(axis, 0, length - 1), images.narrow(axis, 1, length - 1)
        torch.sub(
            last.narrow(axis, 1, length - 2), first.narrow(axis, 0, length - 2), out=out.narrow(axis, 1, length - 2)
        )
        for end in (0, length - 2):
            place = 0 if end == 0 else length - 1
            torch.sub(last.narrow(axis, end, 1), first.narrow(axis, end, 1), out=out.narrow(axis, place, 1))
    return along_x.mul_(0.5), along_y.mul_(0.5)
