"""A plan over the rows of a frame, chunk by chunk, on several threads; what comes back."""
