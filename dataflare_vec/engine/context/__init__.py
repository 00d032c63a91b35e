"""The state that runs share: memory, settings, tuners and metrics."""
