"""The local server of the page. It reads runs, and writes nothing."""
