"""The OpenAPI description: what ninja makes of the routes, and what it does not know: errors, sessions, rights."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI

from .door import Token
from .problems import CONTENT_TYPE, Problem

_ALWAYS = {
    "401": "No token, or one that is unknown, expired or revoked.",
    "403": "The role or the token's scope is missing.",
    "422": "Asked for wrongly; `errors` says where.",
    "429": "Too often: `Retry-After` says when to come again.",
    "503": "The broker, or the sampler that measures it, does not answer. Try again after `Retry-After`.",
}
_OF_PATHS = {"404": "There is no such thing (any more)."}
_OF_MOMENTS = {"404": "Nothing is kept of that moment; `nearest_ms` is one that is kept."}
_OF_WRITES = {
    "400": "The body is no JSON.",
    "409": "Not in this state, or not as the broker is now.",
}


class DescribedApi(NinjaAPI):
    def get_openapi_schema(self, **kwargs: Any) -> Any:
        schema = super().get_openapi_schema(**kwargs)
        schema["components"].setdefault("schemas", {})["Problem"] = Problem.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        schema["components"]["schemas"] |= schema["components"]["schemas"]["Problem"].pop("$defs", {})
        schema["components"]["securitySchemes"]["Session"] = {
            "type": "apiKey",
            "in": "cookie",
            "name": "streamlab_session",
            "description": "A browser that is signed in. What changes something needs the header X-CSRFToken.",
        }
        needs = self._needs()
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                _complete(operation, "{" in path, method != "get", needs[operation["operationId"]])
        return schema

    def _needs(self) -> dict[str, Token]:
        """What each operation needs, by its id."""
        return {
            operation.operation_id or "": operation.auth_callbacks[0]  # type: ignore[misc]
            for router in self._get_bound_routers()
            for view in router.path_operations.values()
            for operation in view.operations
        }


def _complete(operation: dict[str, Any], named: bool, writes: bool, needed: Token) -> None:
    winds = any(asked["name"] == "at" for asked in operation.get("parameters", ()))
    of_names = _OF_PATHS if named else _OF_MOMENTS if winds else {}
    problems = {**_ALWAYS, **of_names, **(_OF_WRITES if writes else {})}
    operation["responses"] = {str(status): answer for status, answer in operation["responses"].items()}
    for status, says in sorted(problems.items()):
        operation["responses"].setdefault(
            status,
            {
                "description": says,
                "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
    operation["security"] = [{"Token": []}, {"Session": []}]
    operation["x-role"], operation["x-scope"] = needed.role.value, needed.scope
    about = operation.get("description", "")
    operation["description"] = (
        f"{about}\n\nNeeds the role {needed.role} and, of a token, the scope `{needed.scope}`."
    )
