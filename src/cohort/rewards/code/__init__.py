"""What a program of the model is worth: Python against tests, Rust with cargo. Nothing of it runs here."""
