"""The figures of the guided tours: a module for each paper, a function for each figure.

A figure takes a `Subject` and the values of its controls by name, and answers with a `Figure`. Whatever it shows is
computed with the functions that the recipes and networks use themselves.
"""
