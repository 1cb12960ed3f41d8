"""What a product line is worth a day: audit, estimates, checks, value."""
