"""Corruptions of images, by name, kind and severity."""
