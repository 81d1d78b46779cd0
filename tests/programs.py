"""Programs that call the HTTP API with a token of their own."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from dashboard.access import api_token
from dashboard.access.roles import Role
from tests.people import a_person


class Program:
    """Somebody's program, with a token of the given scopes."""

    def __init__(self, role: Role | None, *scopes: str, name: str = ""):
        self._show(api_token.create(a_person(role, name), "a program", scopes)[1])

    @classmethod
    def with_token(cls, token: str) -> Program:
        """Somebody's who was given one."""
        found = cls.__new__(cls)
        found._show(token)
        return found

    def _show(self, token: str) -> None:
        row = api_token.find(token)
        assert row is not None
        self.row, self._headers = row, {"Authorization": f"Bearer {token}"}
        self._client = Client(headers=self._headers)

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self._client.get(f"/api/v1{path}", query)

    def sends(self, method: str, path: str, body: Any = None) -> HttpResponse:
        return self._client.generic(method, f"/api/v1{path}", json.dumps(body or {}), "application/json")

    def post(self, path: str, body: Any = None) -> HttpResponse:
        return self.sends("POST", path, body)

    def asks(self, path: str, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, response.content.decode()[:1_000]
        return response.json()

    def does(self, path: str, body: Any = None, status: int = 200, method: str = "POST") -> Any:
        """What comes back, read; None where nothing does."""
        response = self.sends(method, path, body)
        assert response.status_code == status, response.content.decode()[:1_000]
        return response.json() if response.content else None


def problem_of(response: HttpResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content.decode()[:1_000]
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status and body["detail"]
    return body
