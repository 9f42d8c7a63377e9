"""Adoption: what a project's own files are changed to, as values; nothing here reads or writes."""
