"""What scans and reduces carry from row to row: states, and the keys that they belong to."""
