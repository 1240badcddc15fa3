"""The variational optical flow of Brox et al. in torch, batched over frame pairs.

Brox, Bruhn, Papenberg, Weickert, "High Accuracy Optical Flow Estimation Based on a Theory for Warping",
ECCV 2004: brightness and gradient constancy under one robust function, robust smoothness, coarse to fine
with warping, two nested fixed-point loops. The linear system is solved by successive over-relaxation as in
the paper, in red-black order. Ours, not the paper's: smoothness in space only (the paper's 2-D variant);
the red and the black pixels are kept as four planes of even and odd rows and columns, so that a sweep is a
few tensor operations; each pixel's two unknowns are solved together; weights for pictures from 0 to 255;
pixels that point out of view have no data term.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from actrec.motion.warping import central_gradient, grow, pairs_at_once, pyramid, warp


@dataclass(frozen=True)
class Settings:
    """The numbers of the method; `smoothness` is α, `gradient` γ, `robust` ε, `relaxation` ω of the paper."""

    warps: int = 5
    inner: int = 2
    sweeps: int = 8
    smoothness: float = 30.0
    gradient: float = 5.0
    robust: float = 0.1
    relaxation: float = 1.9


def robust_slope(squared: Tensor, epsilon: float) -> Tensor:
    """Ψ'(s²) up to the factor ½ for Ψ(s²) = √(s² + ε²); `squared` is overwritten."""
    return squared.add_(epsilon**2).rsqrt_()


class Constraint:
    """What brightness and gradient constancy say about the flow near w₀: a quadratic form per pixel.

    With the three residuals r + g·(w − w₀), the data term is Ψ(Σ weight · (r + g·(w − w₀))²).
    """

    def __init__(self, first: Tensor, second: Tensor, flow: Tensor, weight: float) -> None:
        looked_up, inside = warp(second, flow)
        warped, curve = looked_up[:, :3], looked_up[:, 3:]
        self.rest = (warped - first).mul_(inside).transpose(0, 1).contiguous()  # I_z, I_xz, I_yz
        _, ix, iy = warped.mul_(inside).unbind(1)
        ixx, ixy, iyy = curve.mul_(inside).unbind(1)
        self.along_x = torch.stack([ix, ixx, ixy])
        self.along_y = torch.stack([iy, ixy, iyy])
        self.weight = flow.new_tensor([1, weight, weight]).view(3, 1, 1, 1)

    def normal_equations(self, step: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """a₁₁, a₁₂, a₂₂, b₁, b₂ with Ψ' taken at w₀ + step, `step [2, B, H, W]`."""
        left = torch.addcmul(self.rest, self.along_x, step[0]).addcmul_(self.along_y, step[1])
        psi = self.weight * robust_slope(left.square_().mul_(self.weight).sum(0), epsilon)
        gx, gy = self.along_x * psi, self.along_y * psi
        return (
            (gx * self.along_x).sum(0),
            (gx * self.along_y).sum(0),
            (gy * self.along_y).sum(0),
            (gx * self.rest).sum(0),
            (gy * self.rest).sum(0),
        )


def diffusivity(flow: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Ψ'(|∇u|² + |∇v|²) halfway to the right and to the lower neighbour; zero across the border."""
    gradients = [central_gradient(part) for part in flow]
    squared = sum(g.square() for pair in gradients for g in pair)
    psi = robust_slope(squared, epsilon)
    right, down = torch.zeros_like(psi), torch.zeros_like(psi)
    torch.add(psi[..., 1:], psi[..., :-1], out=right[..., :-1])
    torch.add(psi[..., 1:, :], psi[..., :-1, :], out=down[..., :-1, :])
    return right.mul_(0.5), down.mul_(0.5)


# --- red-black over-relaxation -----------------------------------------------------------------------


def quarters(planes: Tensor) -> dict[tuple[int, int], Tensor]:
    """`[…, H, W]` with even H and W as four planes, keyed by the parity of row and column."""
    return {(r, c): planes[..., r::2, c::2].contiguous() for r in (0, 1) for c in (0, 1)}


def neighbours(frame: dict[tuple[int, int], Tensor], row: int, column: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Views of the right, left, lower and upper neighbours of one colour's pixels in the framed planes."""
    beside, below = frame[row, 1 - column], frame[1 - row, column]
    right = beside[..., 1:-1, 2:] if column else beside[..., 1:-1, 1:-1]
    left = beside[..., 1:-1, 1:-1] if column else beside[..., 1:-1, :-2]
    lower = below[..., 2:, 1:-1] if row else below[..., 1:-1, 1:-1]
    upper = below[..., 1:-1, 1:-1] if row else below[..., :-2, 1:-1]
    return right, left, lower, upper


def relax(system: Tensor, flow: Tensor, sweeps: int, relaxation: float) -> Tensor:
    """Sweeps over (D + Σw) U = Σ w·Uₙ + r. `system [9, B, H, W]`: the four w, the inverse 2×2 block ω·D⁻¹ as
    (d₁₁, d₂₂, d₁₂), r₁, r₂; `flow [2, B, H, W]` is the start, H and W even."""
    planes = quarters(system)
    framed = {key: F.pad(part, (1, 1, 1, 1)) for key, part in quarters(flow).items()}
    work = []
    for row, column in ((0, 0), (1, 1), (0, 1), (1, 0)):  # two red planes, then two black ones
        part = planes[row, column]
        unknown = framed[row, column][..., 1:-1, 1:-1]
        around = list(zip(part[:4], neighbours(framed, row, column), strict=True))
        work.append((unknown, around, part[4:6], part[6], part[7:9], torch.empty_like(part[7:9])))
    for _ in range(sweeps):
        for unknown, around, diagonal, mixed, right_side, total in work:
            weight, beside = around[0]
            torch.addcmul(right_side, weight, beside, out=total)
            for weight, beside in around[1:]:
                total.addcmul_(weight, beside)
            unknown.mul_(1 - relaxation).addcmul_(diagonal, total)
            unknown[0].addcmul_(mixed, total[1])
            unknown[1].addcmul_(mixed, total[0])
    out = torch.empty_like(flow)
    for (row, column), part in framed.items():
        out[..., row::2, column::2] = part[..., 1:-1, 1:-1]
    return out


def linear_system(constraint: Constraint, start: Tensor, flow: Tensor, settings: Settings) -> Tensor:
    """The nine planes that `relax` takes, with Ψ' of data and smoothness at the present flow."""
    a11, a12, a22, b1, b2 = constraint.normal_equations(flow - start, settings.robust)
    right, down = (w.mul_(settings.smoothness) for w in diffusivity(flow, 0.001))
    left, upper = torch.zeros_like(right), torch.zeros_like(down)
    left[..., 1:], upper[..., 1:, :] = right[..., :-1], down[..., :-1, :]
    around = right + left + down + upper
    d11, d22 = around + a11, around + a22
    scale = settings.relaxation / (d11 * d22 - a12 * a12).clamp_min_(1e-12)
    r1 = a11 * start[0] + a12 * start[1] - b1
    r2 = a12 * start[0] + a22 * start[1] - b2
    return torch.stack([right, left, down, upper, d22 * scale, d11 * scale, -a12 * scale, r1, r2])


def one_scale(first: Tensor, second: Tensor, flow: Tensor, settings: Settings) -> Tensor:
    """The flow at one picture size, starting from `flow [B, 2, H, W]`."""
    height, width = flow.shape[-2:]
    even = (0, width % 2, 0, height % 2)
    flow = flow.transpose(0, 1).contiguous()
    for _ in range(settings.warps):
        start = flow
        constraint = Constraint(first, second, start.transpose(0, 1), settings.gradient)
        for _ in range(settings.inner):
            system = F.pad(linear_system(constraint, start, flow, settings), even)
            relaxed = relax(system, F.pad(flow, even), settings.sweeps, settings.relaxation)
            flow = relaxed[..., :height, :width].contiguous()
    return flow.transpose(0, 1)


@torch.no_grad()
def brox(
    first: Tensor, second: Tensor, *, scales: int = 10, step: float = 0.75, settings: Settings | None = None
) -> Tensor:
    """Flow `[B, 2, H, W]` from grey pictures `float32 [B, H, W]`, 0 to 255, to their successors."""
    settings = settings or Settings()
    coarse_first = pyramid(first[:, None], scales, step)
    coarse_second = pyramid(second[:, None], scales, step)
    flow = first.new_zeros(len(first), 2, *coarse_first[-1].shape[-2:])
    for before, after in zip(reversed(coarse_first), reversed(coarse_second), strict=True):
        if flow.shape[-2:] != before.shape[-2:]:
            flow = grow(flow, before.shape[-2:])
        before = torch.cat([before, *central_gradient(before)], 1)
        ix, iy = central_gradient(after)
        (ixx, ixy), (_, iyy) = central_gradient(ix), central_gradient(iy)
        after = torch.cat([after, ix, iy, ixx, ixy, iyy], 1)
        chunk = pairs_at_once(before)
        parts = zip(before.split(chunk), after.split(chunk), flow.split(chunk), strict=True)
        flow = torch.cat([one_scale(*part, settings) for part in parts])
    return flow.contiguous()
