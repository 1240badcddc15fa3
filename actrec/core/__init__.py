"""What everything stands on: errors, devices, files, memory, processes. Imports nothing of the project."""
