"""Metrics: scores of results against the truth; no PyTorch."""
