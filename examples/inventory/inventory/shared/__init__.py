"""The shared of the inventory."""
