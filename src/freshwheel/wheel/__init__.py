"""Wheels and source distributions as files: their names, their metadata, and a new version for both."""
