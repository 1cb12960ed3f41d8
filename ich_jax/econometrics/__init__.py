"""Effects on panels with few treated units: linear models, difference-in-differences, synthetic control, inference."""
