"""`{{ sentence|together }}`: no line ends between a number and its unit, nor within "1 min 12 s"."""

from __future__ import annotations

import re

from django import template

register = template.Library()
NO_BREAK = "\N{NO-BREAK SPACE}"
_AMOUNT = re.compile(
    r"\d (?:(?:ms|s|min|h|d|k|M|G|T|B|kB|MB|GB|TB)(?![\w])|%|×)(?: \d+ (?:h|min|s)(?![\w]))?", re.ASCII
)


@register.filter
def together(text: object) -> str:
    """
    >>> print(together("behind by 1 min 12 s, 30 % of 4 MB in 3 steps").replace(NO_BREAK, "_"))
    behind by 1_min_12_s, 30_% of 4_MB in 3 steps
    """
    return _AMOUNT.sub(lambda found: found[0].replace(" ", NO_BREAK), str(text))
