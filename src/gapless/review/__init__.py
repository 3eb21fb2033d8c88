"""The inbox: handoffs that wait for a person, on disk."""
