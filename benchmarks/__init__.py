"""Comparisons of seg_ros with other ways to the same end, and the tables of docs/benchmarks.md. Not installed."""
