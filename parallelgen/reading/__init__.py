"""What a parallel directory says: files to values, each fault with its place. Imports no other room."""
