"""Long-running services: the plugin manager, health checks, metrics and reports."""
