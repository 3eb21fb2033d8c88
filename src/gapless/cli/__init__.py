"""Commands: parse, call one operation, render."""
