"""Makes labelled queries from a folder of texts: passages by lot, questions to them, and a file that a person decides on."""
