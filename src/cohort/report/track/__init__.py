"""Sinks: what other programs are told of a run, from a process beside it that reads its store."""
