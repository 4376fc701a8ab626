"""Datasets and recordings of other programs."""
