"""What is asked: built-in tasks with their own rewards, and problems made from rows. No torch."""
