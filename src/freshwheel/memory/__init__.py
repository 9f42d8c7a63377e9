"""What is kept in the cache directory for one tree, and what is answered from it alone."""
