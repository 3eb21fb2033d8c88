"""The arithmetic of the coordination gap. Pure: no I/O, no clock, no global random numbers."""
