"""Hybrid search engines: sparse, dense, and their fusion."""
