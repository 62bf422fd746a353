"""The products of the inventory."""
