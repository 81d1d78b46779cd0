"""What of a record's contents leaves the server: rules that hide fields, and the one door that contents pass."""
