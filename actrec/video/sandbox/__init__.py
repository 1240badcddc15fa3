"""Videos from strangers, decoded in a child process with limits of memory and time."""
