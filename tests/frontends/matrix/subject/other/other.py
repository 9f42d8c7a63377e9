"""A neighbour."""
