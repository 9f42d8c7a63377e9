"""A file that may go, or get another name."""
