"""Calls of tools that pass a proxy: what they may carry, what their answers are held to, and how one is carried out."""
