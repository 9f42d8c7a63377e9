"""The real backend: how it is run, and with which interpreter."""
