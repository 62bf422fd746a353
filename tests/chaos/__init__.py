"""Kill runs at random instants, resume them to the end, and check that nothing was lost."""
