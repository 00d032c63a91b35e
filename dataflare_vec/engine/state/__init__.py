"""The states that scans and reduces carry from row to row, and their keys."""
