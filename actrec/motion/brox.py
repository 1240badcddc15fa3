"""The variational optical flow of Brox et al. in torch, batched over frame pairs.

Brox, Bruhn, Papenberg, Weickert, "High Accuracy Optical Flow Estimation Based on a Theory for Warping",
ECCV 2004: brightness and gradient constancy under one robust function, robust smoothness, coarse to fine
with warping, two nested fixed-point loops. The linear system is solved by successive over-relaxation as in
the paper, in red-black order. Ours, not the paper's: smoothness in space only (the paper's 2-D variant);
the red and the black pixels are kept as four planes of even and odd rows and columns, so that a sweep is a
few tensor operations; each pixel's two unknowns are solved together; weights for images from 0 to 255;
pixels that point out of view have no data term.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from actrec.motion.warping import central_gradient, coarse_to_fine, finer, in_chunks, warp

SMOOTH_ROBUST = 0.001  # ε of the smoothness term, in pixels; the paper's


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
    """Brightness and gradient constancy near the flow w₀, as sums over the three residuals.

    With the residuals r + g·d, d = w − w₀, weighted 1, γ, γ, the robust function's argument is
    Σ (r + g·d)² = d'J d + 2 j'd + c; the planes are J₁₁, J₁₂, J₂₂, and J w₀ − j, which is the right side.
    """

    def __init__(self, first: Tensor, fine: Tensor, slopes: Tensor, start: Tensor, weight: float) -> None:
        self.start = start
        warped, looked_up, inside = warp(fine, slopes, start.transpose(0, 1))
        warped, (ix, iy, ixx, ixy, iyy) = warped[:, 0], looked_up.unbind(1)
        inside, root = inside[:, 0].float(), weight**0.5
        before, before_x, before_y = first.unbind(1)
        iz = (warped - before).mul_(inside)
        ixz, iyz = (ix - before_x).mul_(inside * root), (iy - before_y).mul_(inside * root)
        ix, iy = ix * inside, iy * inside
        ixx, ixy, iyy = ixx * root, ixy * root, iyy * root

        def summed(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> Tensor:
            return (a[0] * b[0]).addcmul_(a[1], b[1]).addcmul_(a[2], b[2])

        along_x, along_y, rest = (ix, ixx, ixy), (iy, ixy, iyy), (iz, ixz, iyz)
        self.j11, self.j12, self.j22 = summed(along_x, along_x), summed(along_x, along_y), summed(along_y, along_y)
        self.j1, self.j2, self.constant = summed(along_x, rest), summed(along_y, rest), summed(rest, rest)
        u, v = start
        right_1 = torch.addcmul(-self.j1, self.j11, u).addcmul_(self.j12, v)
        right_2 = torch.addcmul(-self.j2, self.j12, u).addcmul_(self.j22, v)
        self.planes = torch.stack([self.j11, self.j12, self.j22, right_1, right_2])

    def equations(self, flow: Tensor, epsilon: float) -> Tensor:
        """The five planes times Ψ' at `flow`, both `[2 or 5, B, H, W]`."""
        du, dv = flow - self.start
        half_x = torch.addcmul(2 * self.j1, self.j11, du).addcmul_(self.j12, dv, value=2)
        half_y = torch.addcmul(2 * self.j2, self.j22, dv)
        squared = torch.addcmul(self.constant, half_x, du).addcmul_(half_y, dv).clamp_min_(0)
        return self.planes * robust_slope(squared, epsilon)


def diffusivity(flow: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Ψ'(|∇u|² + |∇v|²) halfway to the right and to the lower neighbour; zero across the border."""
    squared = torch.zeros_like(flow[0])
    for part in flow:
        for gradient in central_gradient(part):
            squared.addcmul_(gradient, gradient)
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


def linear_system(constraint: Constraint, flow: Tensor, system: Tensor, settings: Settings) -> None:
    """Fill the nine planes that `relax` takes, with Ψ' of data and smoothness at the present flow."""
    height, width = flow.shape[-2:]
    here = system[..., :height, :width]
    a11, a12, a22, r1, r2 = constraint.equations(flow, settings.robust)
    right, down = (w.mul_(settings.smoothness) for w in diffusivity(flow, SMOOTH_ROBUST))
    here[0], here[2] = right, down
    here[1, ..., 1:], here[3, ..., 1:, :] = right[..., :-1], down[..., :-1, :]
    around = here[:4].sum(0)
    d11, d22 = a11.add_(around), a22.add_(around)
    scale = (d11 * d22).addcmul_(a12, a12, value=-1).clamp_min_(1e-12).reciprocal_().mul_(settings.relaxation)
    torch.mul(d22, scale, out=here[4])
    torch.mul(d11, scale, out=here[5])
    torch.mul(a12, scale.neg_(), out=here[6])
    here[7], here[8] = r1, r2


def one_scale(first: Tensor, fine: Tensor, slopes: Tensor, flow: Tensor, settings: Settings) -> Tensor:
    """The flow at one image size, starting from `flow [B, 2, H, W]`."""
    height, width = flow.shape[-2:]
    even = (0, width % 2, 0, height % 2)
    system = flow.new_zeros(9, len(flow), height + even[3], width + even[1])
    flow = flow.transpose(0, 1).contiguous()
    for _ in range(settings.warps):
        constraint = Constraint(first, fine, slopes, flow, settings.gradient)
        for _ in range(settings.inner):
            linear_system(constraint, flow, system, settings)
            relaxed = relax(system, F.pad(flow, even), settings.sweeps, settings.relaxation)
            flow = relaxed[..., :height, :width].contiguous()
    return flow.transpose(0, 1)


@torch.no_grad()
def brox(
    first: Tensor, second: Tensor, *, scales: int = 10, step: float = 0.75, settings: Settings | None = None
) -> Tensor:
    """Flow `[B, 2, H, W]` from grey images `float32 [B, H, W]`, 0 to 255, to their successors."""
    settings = settings or Settings()

    def refined(before: Tensor, after: Tensor, flow: Tensor) -> Tensor:
        before = torch.cat([before, *central_gradient(before)], 1)
        ix, iy = central_gradient(after)
        (ixx, ixy), (_, iyy) = central_gradient(ix), central_gradient(iy)
        slopes = torch.cat([ix, iy, ixx, ixy, iyy], 1)
        parts = in_chunks(before, finer(after), slopes, flow)
        return torch.cat([one_scale(now, fine, slope, start, settings) for now, fine, slope, start in parts])

    return coarse_to_fine(first, second, scales, step, refined)
