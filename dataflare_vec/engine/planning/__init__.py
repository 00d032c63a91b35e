"""From a request to a plan: everything that can be checked before any row is touched."""
