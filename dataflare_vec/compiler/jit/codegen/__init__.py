"""The loops round a kernel."""
