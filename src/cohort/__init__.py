"""Cohort trains language models by Group Relative Policy Optimization (GRPO)."""
