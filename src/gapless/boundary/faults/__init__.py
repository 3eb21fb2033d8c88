"""Failures injected on purpose, labelled in the trace: each is a middleware that acts at one step."""
