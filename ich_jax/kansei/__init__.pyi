from . import published, quantification, review, semantic, survey

__all__ = [
    "published",
    "quantification",
    "review",
    "semantic",
    "survey",
]
