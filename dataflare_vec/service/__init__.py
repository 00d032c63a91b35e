"""What a long-running program asks for: a manager of plugins, their health, metrics, reports."""
