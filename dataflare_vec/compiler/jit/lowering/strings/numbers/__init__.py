"""Numbers to text and back, exactly as Python."""
