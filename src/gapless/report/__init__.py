"""Turns records into what people read. It computes no statistic."""
