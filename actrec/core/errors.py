"""Errors for the person at the keyboard or the page: a sentence with what is wrong and what to do."""


class Refusal(Exception):
    """A request that cannot be fulfilled; `str(error)` is a sentence for people. Any other error is a defect."""


class BadValue(Refusal, ValueError):
    """A value that cannot be used."""
