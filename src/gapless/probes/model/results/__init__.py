"""Readers of other load generators' result files: their requests become a load, and findings are the same."""
