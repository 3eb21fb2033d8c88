"""Measures a retriever alone: what it finds, what it hands over when there is nothing, how old and how fast it is."""
