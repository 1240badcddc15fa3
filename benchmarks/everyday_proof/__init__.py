"""Figures of the everyday weights: what they name, how sure they may be, what they call unknown, what can be taught."""
