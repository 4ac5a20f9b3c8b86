"""What happened: metrics, intervals, the terminal, and reading a run back. No torch."""
