"""The training of the person detector: drawn people, a teacher's labels, an own loop."""
