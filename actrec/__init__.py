"""Action recognition by five papers: the core, free of any page."""

__version__ = "0.1.0"
