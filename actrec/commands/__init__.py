"""The command line, one file per command: `add` declares it, `run` does it."""
