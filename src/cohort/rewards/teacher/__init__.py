"""Rewards without labels: a group's answers are measured by a reference that is made of themselves."""
