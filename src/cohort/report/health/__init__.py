"""What a run's numbers say, in sentences: signs of sickness, each with its evidence and what to change."""
