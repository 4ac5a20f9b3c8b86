"""Whether two answers are the same mathematics: read by our own grammar, decided within a stated cost."""
