"""Options: pydantic tables that a TOML recipe is read into. No torch."""
