"""Suites, the harness that runs them, and the checks that judge a trial afterwards."""
