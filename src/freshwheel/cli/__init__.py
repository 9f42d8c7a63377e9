"""The command line, for people and their scripts."""
