"""How a reward asks a service: one address, one deadline, one journal, and no secret in any text."""
