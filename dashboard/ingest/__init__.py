"""Events over HTTP: `POST /ingest/<topic>`, by the HTTP binding of CloudEvents 1.0."""
