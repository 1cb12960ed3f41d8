"""Single series: a break at a known date, and a trend."""
