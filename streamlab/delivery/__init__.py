"""What becomes of records whose handling fails: worker, retries, dead letters, replay."""
