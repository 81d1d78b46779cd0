"""Confluent's schema registry, as its clients know it, over ours: paths, status codes, error codes, words."""
