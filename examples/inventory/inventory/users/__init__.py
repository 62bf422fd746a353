"""The users of the inventory."""
