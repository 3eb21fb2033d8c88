"""Readers of what others recorded: one file per format, each turning it into runs. They judge nothing."""
