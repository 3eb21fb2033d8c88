"""Formats of a suite: each file reads one kind of file into the same plain entries."""
