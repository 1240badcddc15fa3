"""The foundation: errors, devices, files, memory, processes. Imports nothing else of the project."""
