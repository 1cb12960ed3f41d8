"""Figures, tables and one page. Reads result dataclasses; computes nothing."""
