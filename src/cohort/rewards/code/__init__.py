"""What a program that the model wrote is worth: Python against tests, Rust with cargo. Nothing runs in this process."""
