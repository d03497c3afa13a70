"""Benchmarks against peers (``python -m benchmarks``); ``workloads`` contains the measured processes."""
