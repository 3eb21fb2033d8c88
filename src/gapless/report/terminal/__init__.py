"""Charts and tables of characters: pure functions from records to what a terminal prints."""
