"""Settings that change while everything runs: who may have them, what they are now, and who has applied them."""
