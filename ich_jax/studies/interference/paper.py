"""The paper's claims about accuracy under interference."""

from ich_jax.report import page

CLAIM = {"book": 0.97, "earrings": 0.9299}
"""Least accuracies that the paper reports (section 3.2.1, Figure 5)."""

PAPER = page.PaperQuote(
    "Under interference the accuracy of each product dips and recovers: book stays above 97 %, the lowest value is "
    "that of earrings, 92.99 %.",
    "section 3.2.1, Figure 5",
    "The paper states neither the kind nor the strength of the interference, nor the number of designs behind a point. "
    "92.99 % cannot be a share of 100, 200, 500 or 1,000 designs. The kinds and severities here are ours.",
)
