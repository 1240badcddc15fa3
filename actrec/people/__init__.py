"""Where the people of a clip are: boxes by YOLO, or, without it, by what moves."""

from actrec.people.find import People, find_people, open_detector, usable_detector

__all__ = ["People", "find_people", "open_detector", "usable_detector"]
