"""The functions that users call: apply plugins, explain them, compile them ahead of time."""
