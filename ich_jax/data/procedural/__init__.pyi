from . import dataset, geometry, renderer, shapes
from .dataset import designs, draws, make, sample_brief, sample_nuisance
from .renderer import Nuisance, draw_sketch, render, silhouette_distance
from .shapes import PRODUCTS, SPACE

__all__ = [
    "PRODUCTS",
    "SPACE",
    "Nuisance",
    "dataset",
    "designs",
    "draw_sketch",
    "draws",
    "geometry",
    "make",
    "render",
    "renderer",
    "sample_brief",
    "sample_nuisance",
    "shapes",
    "silhouette_distance",
]
