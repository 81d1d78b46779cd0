"""What operators do: previewed, confirmed, run by a job, kept."""
