"""The orders of the inventory."""
