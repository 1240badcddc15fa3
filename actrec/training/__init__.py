"""The training loop, its run folder, and many processes."""
