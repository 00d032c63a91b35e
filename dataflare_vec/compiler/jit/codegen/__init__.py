"""Code generation of the loops around a kernel."""
