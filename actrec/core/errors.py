"""What the person at the keyboard or the page is told: a sentence that says what is wrong and what to do."""


class Refusal(Exception):
    """Something that cannot be done as asked; `str(error)` is a sentence for people. Anything else is a defect."""


class BadValue(Refusal, ValueError):
    """A value that cannot be used."""
