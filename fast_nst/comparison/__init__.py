"""Benchmarking a model against the reference optimizer, and reporting the results."""
