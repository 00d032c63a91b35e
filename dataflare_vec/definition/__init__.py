"""Definition of plugins: a named function or expression, its parameters, and its registry."""
