"""From a request to a plan: all that can be known, and refused, before any row is touched."""
