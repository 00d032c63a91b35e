"""What a plugin is: a named function or expression, its parameters, and where it is registered."""
