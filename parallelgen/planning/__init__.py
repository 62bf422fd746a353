"""From what was read to a plan, every choice made, or to the problems. Imports reading alone."""
