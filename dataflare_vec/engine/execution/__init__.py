"""Execution of a plan over the rows of a frame, chunk by chunk, on several threads."""
