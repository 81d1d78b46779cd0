"""The HTTP API: what the pages show and do, for programs. `/api/v1`, described at `/api/v1/openapi.json`."""
