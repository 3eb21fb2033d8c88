"""gapless measures, locates and closes the coordination gap of an AI workflow."""

__version__ = "0.1.0"
