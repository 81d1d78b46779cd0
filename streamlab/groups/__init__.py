"""Consumer groups: who is a member, who owns which partition, what has been committed."""
