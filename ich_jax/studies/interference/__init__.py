"""How far a generator can be trusted under interference: sweeps and pulses."""
