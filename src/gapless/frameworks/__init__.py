"""The only door to each framework people build workflows with."""
