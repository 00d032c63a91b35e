"""What users call: plugins over data, explained, and compiled ahead of time."""
