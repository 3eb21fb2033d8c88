"""Shipped for people's own tests."""
