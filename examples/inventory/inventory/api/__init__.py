"""The api of the inventory."""
