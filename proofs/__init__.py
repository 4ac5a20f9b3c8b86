"""Claims that take longer than a test: each proof attacks the command and counts what held."""
