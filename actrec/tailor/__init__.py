"""The tailor of MS3D: crop close to people, weigh pixels by their distance from them (eq. 7, 8)."""

from actrec.tailor.crop import Tailored, tailor

__all__ = ["Tailored", "tailor"]
