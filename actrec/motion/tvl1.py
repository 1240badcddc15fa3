"""TV-L1 optical flow in torch, batched over frame pairs.

Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007; the scheme of
Sánchez, Meinhardt-Llopis, Facciolo, "TV-L1 Optical Flow Estimation", IPOL 2013 (its equation numbers below).
Ours, not the papers': a fixed number of iterations instead of a stopping rule, so that a batch stays one
tensor; images are low-passed by the antialiased resize of the pyramid; pixels that point out of view
have no data term.
"""

from __future__ import annotations

import torch
from torch import Tensor

from actrec.motion.warping import central_gradient, coarse_to_fine, finer, in_chunks, warp


class Dual:
    """Flow and dual variables of one size, with every buffer and view made once: the loop allocates nothing.

    The component (u₁, u₂) is the first axis, `u [2, B, H, W]`; of `p [2, 2, B, H, W]` p[0] is the x-part,
    p[1] the y-part. Scaled by r = τ/θ and τ, so that eq. 16–18 need no factors: the buffers hold r·u and τ·p.
    """

    def __init__(self, flow: Tensor, theta: float, tau: float) -> None:
        self.ratio, self.tau = tau / theta, tau
        self.u = flow.transpose(0, 1).mul(self.ratio).contiguous()
        self.p = self.u.new_zeros(2, *self.u.shape)
        self.gradient = torch.zeros_like(self.p)  # the last column and row stay zero: Neumann border
        self.length, self.rho = torch.empty_like(self.u), torch.empty_like(self.u[0])
        u, (px, py), (ux, uy) = self.u, self.p, self.gradient
        self.along_x = u[..., 1:], u[..., :-1], ux[..., :-1], px[..., :-1]
        self.along_y = u[..., 1:, :], u[..., :-1, :], uy[..., :-1, :], py[..., :-1, :]

    def flow(self) -> Tensor:
        return (self.u / self.ratio).transpose(0, 1)

    def iterate(self, data: tuple[Tensor, Tensor, Tensor], bound: float, iterations: int) -> None:
        """Eq. 15 (threshold), then eq. 16–18 (one dual step), over and over."""
        u, p, gradient, length, rho = self.u, self.p, self.gradient, self.length, self.rho
        (px, py), (ux, uy), (u1, u2) = p, gradient, u
        right, left, ux_inner, px_before = self.along_x
        lower, upper, uy_inner, py_before = self.along_y
        rest, (steep1, steep2), slope = data[0], data[1] / self.ratio, data[2] * -self.ratio
        for _ in range(iterations):
            torch.addcmul(rest, steep1, u1, out=rho).addcmul_(steep2, u2).clamp_(-bound, bound)
            u.addcmul_(rho, slope)  # v
            u.add_(px).add_(py)  # u = v + θ div p
            right.sub_(px_before)
            lower.sub_(py_before)
            torch.sub(right, left, out=ux_inner)
            torch.sub(lower, upper, out=uy_inner)
            torch.mul(ux, ux, out=length).addcmul_(uy, uy).sqrt_().add_(1)
            p.add_(gradient, alpha=self.tau).div_(length)


def data_term(first: Tensor, fine: Tensor, slopes: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The brightness constancy linearised at `flow` (eq. 6), divided by |∇I₁|²: rest, ∇I₁/|∇I₁|², ∇I₁.

    ρ/|∇I₁|² = rest + ∇I₁/|∇I₁|² · u; `fine` is I₁ at twice the resolution, `slopes` its two derivatives.
    """
    warped, slope, inside = warp(fine, slopes, flow)
    slope = slope.transpose(0, 1).contiguous()
    slope *= inside[:, 0]
    squared = slope.square().sum(0)
    steep = slope / squared.clamp_min(1e-6)
    rest = (warped[:, 0] - first[:, 0]) / squared.clamp_min(1e-6)
    rest.masked_fill_(squared < 1e-6, 0)
    rest -= (steep * flow.transpose(0, 1)).sum(0)
    return rest, steep, slope


def one_scale(
    first: Tensor,
    fine: Tensor,
    slopes: Tensor,
    flow: Tensor,
    warps: int,
    iterations: int,
    weight: float,
    theta: float,
    tau: float,
) -> Tensor:
    """The flow at one image size, starting from `flow`."""
    dual = Dual(flow, theta, tau)
    for _ in range(warps):
        dual.iterate(data_term(first, fine, slopes, dual.flow()), weight * theta, iterations)
    return dual.flow()


@torch.no_grad()
def tvl1(
    first: Tensor,
    second: Tensor,
    *,
    scales: int = 5,
    step: float = 0.5,
    warps: int = 5,
    iterations: int = 30,
    weight: float = 0.15,
    theta: float = 0.3,
    tau: float = 0.25,
) -> Tensor:
    """Flow `[B, 2, H, W]` from grey images `float32 [B, H, W]`, 0 to 255, to their successors.

    `weight` is λ, `theta` θ and `tau` the time step τ of the papers, with their values.
    """

    def refined(before: Tensor, after: Tensor, flow: Tensor) -> Tensor:
        slopes = torch.cat(central_gradient(after), 1)
        parts = in_chunks(before, finer(after), slopes, flow)
        return torch.cat(
            [
                one_scale(now, fine, slope, start, warps, iterations, weight, theta, tau)
                for now, fine, slope, start in parts
            ]
        )

    return coarse_to_fine(first, second, scales, step, refined)
