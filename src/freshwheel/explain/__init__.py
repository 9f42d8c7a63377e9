"""What people ask about: inputs, reasons, what is installed, what is in a wheel."""
