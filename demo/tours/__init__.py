"""The guided tours: one module for each paper, looked up by its key. Words live here, figures in `actrec.explain`."""

from __future__ import annotations

from demo.tours import asym3d, crossenh, fstcn, mdtnet, ms3d
from demo.tours.step import Tour

TOURS: dict[str, Tour] = {each.key: each for each in (ms3d.TOUR, fstcn.TOUR, asym3d.TOUR, mdtnet.TOUR, crossenh.TOUR)}
