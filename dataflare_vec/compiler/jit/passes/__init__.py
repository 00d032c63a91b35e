"""What becomes of a kernel's code before machine code is written: Numba's passes and ours, in order."""
