"""How loops are called, and how values lie in Arrow's buffers."""
