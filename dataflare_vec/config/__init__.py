"""Settings: frozen dataclasses, and where their values come from."""
