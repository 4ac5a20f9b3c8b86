"""A language model as the judge of answers: what it is told, and what of its reply counts."""
