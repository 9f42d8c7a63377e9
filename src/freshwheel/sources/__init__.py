"""What a wheel is made from: which files, and what they hold."""
