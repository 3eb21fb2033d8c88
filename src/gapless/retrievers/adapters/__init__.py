"""Search stores beside the built-in one: an approximate index, PostgreSQL, and other people's vector databases."""
