"""Records, sources of rows, keyed randomness, packing plans, and the run's store."""
