"""One training run: trained, judged and reported."""
