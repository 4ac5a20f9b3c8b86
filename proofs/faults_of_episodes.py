"""All faults of episodes, by name."""

from __future__ import annotations

from collections.abc import Mapping

from proofs.episode_ground import Fault
from proofs.faulty_agents import AGENTS
from proofs.faulty_environments import ENVIRONMENTS
from proofs.faulty_tools import TOOLS

FAULTS: Mapping[str, Fault] = {**TOOLS, **ENVIRONMENTS, **AGENTS}
