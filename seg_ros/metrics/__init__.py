"""Scores of what networks find, against what is there; no PyTorch."""
