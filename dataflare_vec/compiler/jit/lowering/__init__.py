"""From operations to machine code: what methods, operators and functions mean for each type."""
