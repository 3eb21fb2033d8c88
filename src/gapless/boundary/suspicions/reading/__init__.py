"""Reads a finished trial: messages, results, what they look like, and what the reader was told. It suspects nothing."""
