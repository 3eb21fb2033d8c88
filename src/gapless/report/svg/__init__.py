"""Charts as inline SVG: pure functions from records to markup. Everything from users' data is escaped."""
