"""Keeps what was measured: SQLite, content-addressed payloads, group commit."""
