"""Masking rules: which fields nobody sees in the records of which topics. Admins only, as their page."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from dashboard.masking import rules
from dashboard.masking.models import MaskingRule

from .body import Body
from .door import actor, administers, masks
from .numbered import numbered
from .paging import Page, Paging, page_of
from .problems import AskedWrongly

router = Router(tags=["Masking"])


class MaskingRuleOut(Schema):
    number: int
    topics: str = Field(description="A name, or a pattern like shop.*; dead letters of theirs are meant too.")
    field: str = Field(description="A field's name, a JSON path that begins with $, @key or @value.")
    holds_for: list[str] = Field(description="Topics of now.")
    created_at: str = Field(description="ISO 8601, UTC.")
    created_by: str = Field(description="Empty: it was made on the command line.")


class MaskingRuleIn(Body):
    topics: str = Field(max_length=249)
    field: str = Field(max_length=500)


@router.get(
    "/masking/rules", auth=administers, response=Page[MaskingRuleOut], operation_id="list_masking_rules"
)
def masking_rules(request: HttpRequest, query: Query[Paging]) -> object:
    """Rules by topic and field."""
    return page_of(rules.listed(), query, lambda found: _out(*found))


@router.post("/masking/rules", auth=masks, response={201: MaskingRuleOut}, operation_id="create_masking_rule")
def create(request: HttpRequest, body: MaskingRuleIn) -> object:
    """Hide a field from now on, for everybody, by page, API and export."""
    try:
        made = rules.add(body.topics, body.field, actor(request))
    except ValidationError as reason:
        raise AskedWrongly({str(reason.code): [str(reason.message)]}) from reason
    return Status(201, next(_out(rule, topics) for rule, topics in rules.listed() if rule.pk == made.pk))


@router.delete(
    "/masking/rules/{int:number}", auth=masks, response={204: None}, operation_id="delete_masking_rule"
)
def delete(request: HttpRequest, number: int) -> object:
    """Show again what the rule hides."""
    found = numbered(MaskingRule.objects.all(), number, f"There is no masking rule {number}.")
    rules.remove(found, actor(request))
    return Status(204, None)


def _out(rule: MaskingRule, topics: list[str]) -> dict[str, Any]:
    same = {name: getattr(rule, name) for name in ("topics", "field", "created_by")}
    return {"number": rule.pk, "holds_for": topics, "created_at": rule.created_at.isoformat(), **same}
