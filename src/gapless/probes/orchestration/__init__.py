"""The graph as it is wired: read, not run."""
