"""The tailor of MS3D: crop close to people, weigh pixels by their distance from them (eq. 7, 8)."""

from actrec.tailor.crop import Tailored, tailor
from actrec.tailor.people import People, find_people, open_detector

__all__ = ["People", "Tailored", "find_people", "open_detector", "tailor"]
