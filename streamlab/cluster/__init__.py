"""Redis Cluster and Valkey Cluster: which master has which slot, and a client that sends each command to its own."""
