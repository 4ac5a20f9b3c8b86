"""What the page shows, as plain values: pure read-only queries of a run's store."""
