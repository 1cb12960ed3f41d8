"""Studies: what a user runs, each with its engine, result, page, tables and figures together."""
