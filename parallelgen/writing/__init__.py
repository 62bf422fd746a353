"""From a plan to text, and to disk: scripts, manifest, graph. Imports reading and planning."""
