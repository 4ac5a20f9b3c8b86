"""The model: loading, attention over shared prompts, log-probabilities, and the tokenizer."""
