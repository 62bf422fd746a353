"""Measure parallelgen and its scripts against their peers, each in the same run."""
