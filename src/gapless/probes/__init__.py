"""Measures one layer alone: host, orchestration, observability. It runs no trial and judges no answer."""
