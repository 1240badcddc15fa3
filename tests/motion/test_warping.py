"""Pyramids, warping and gradients on pictures whose answers are known."""

from __future__ import annotations

import torch

from actrec.motion.warping import central_gradient, finer, grow, pyramid, warp


def test_pixels_put_between_lie_on_the_cubic():
    x = torch.arange(7.0)
    found = finer((x**3)[None, None, None].repeat(1, 1, 5, 1))[0, 0, 4]
    expected = torch.arange(0, 6.5, 0.5) ** 3
    assert found[::2].tolist() == expected[::2].tolist()
    torch.testing.assert_close(found[3:-3], expected[3:-3])  # four neighbours are needed on either side


def test_finer_pictures_double_both_sides_and_keep_a_constant():
    found = finer(torch.full((2, 1, 4, 6), 7.0))
    assert found.shape == (2, 1, 7, 11) and (found == 7).all()


def test_gradients_are_central_inside_and_half_of_one_sided_at_the_border():
    row = torch.tensor([0.0, 1.0, 4.0, 9.0])  # x²
    along_x, along_y = central_gradient(row[None, None, None].repeat(1, 1, 3, 1))
    assert along_x[0, 0, 1].tolist() == [0.5, 2.0, 4.0, 2.5]
    assert (along_y == 0).all()


def test_a_warp_looks_up_where_the_flow_points_and_knows_what_left():
    picture = torch.arange(5.0).repeat(4, 1)[None, None] * 10 + torch.arange(4.0)[:, None]  # 10·x + y
    flow = torch.zeros(1, 2, 4, 5)
    flow[0, 0], flow[0, 1] = 1.25, -1.0
    warped, slopes, inside = warp(finer(picture), picture, flow)
    assert inside[0, 0].tolist() == [[False] * 5] + [[True, True, True, False, False]] * 3
    torch.testing.assert_close(warped[0, 0, 1:, 1], torch.tensor([22.5, 23.5, 24.5]), atol=0.2, rtol=0)
    torch.testing.assert_close(slopes[0, 0, 2, 0], torch.tensor(13.5))


def test_a_grown_flow_is_longer_by_the_same_ratio():
    flow = torch.ones(1, 2, 6, 8)
    grown = grow(flow, (9, 24))
    torch.testing.assert_close(grown[0, 0], torch.full((9, 24), 3.0))
    torch.testing.assert_close(grown[0, 1], torch.full((9, 24), 1.5))


def test_the_pyramid_stops_before_pictures_get_too_small():
    sizes = [tuple(level.shape[-2:]) for level in pyramid(torch.zeros(1, 1, 240, 320), 5, 0.5)]
    assert sizes == [(240, 320), (120, 160), (60, 80), (30, 40), (15, 20)]
    assert len(pyramid(torch.zeros(1, 1, 30, 40), 5, 0.5)) == 2
