"""The benefit of a product line per day: audit, estimates, checks, value."""
