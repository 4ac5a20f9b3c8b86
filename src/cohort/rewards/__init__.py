"""What an answer is worth: rules, functions of the user, and scores. No torch."""
