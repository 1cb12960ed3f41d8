"""Linear and M-estimators, their covariances, and the wild cluster bootstrap."""
