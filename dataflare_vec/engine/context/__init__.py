"""What runs share: memory, settings, what tuners have learnt and metrics have counted."""
