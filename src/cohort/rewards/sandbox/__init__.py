"""Where text of the model is run as a program: nothing of ours can be read, written, reached or kept busy."""
