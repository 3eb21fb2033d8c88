"""Checks: each judges a trial, or what one step handed over, after it has ended. One file per check."""
