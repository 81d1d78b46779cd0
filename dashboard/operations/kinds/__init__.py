"""One module a kind of operation."""
