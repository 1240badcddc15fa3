"""The tailor of MS3D: crop close to people, weigh pixels by their distance from them (eq. 7, 8)."""

from actrec.people.find import People, find_people, open_detector
from actrec.tailor.crop import Tailored, tailor

__all__ = ["People", "Tailored", "find_people", "open_detector", "tailor"]
