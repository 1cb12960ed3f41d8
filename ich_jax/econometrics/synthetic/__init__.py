"""Synthetic control and synthetic difference-in-differences, and what is tested with their weights."""
