"""Observation: what the processes of a build read, look for, run and write, as the kernel or their Python sees it."""
