"""The metrics and labels that a PromQL expression asks for, as far as the files under contrib/ go."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<variable>\$\w+)|(?P<number>\d[\w.]*)|(?P<name>[A-Za-z_:][\w:]*)|(?P<sign>=~|!~|!=|>=|<=|==|\S)'
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_OPERATORS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
# Prometheus adds these to whatever it scrapes, and `up` and `ALERTS` to what there is.
_ADDED = {"job", "instance"}
_OWN = {"up"}


@dataclass
class Asked:
    """What an expression asks for."""

    selectors: list[tuple[str, list[tuple[str, str, str]]]] = field(default_factory=list)
    """Each metric with its matchers: label, operator, value."""
    grouped: set[str] = field(default_factory=set)
    """Labels of `by (…)` and its like."""


def read(expression: str) -> Asked:
    tokens = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(expression)]
    asked, place = Asked(), 0
    while place < len(tokens):
        kind, token = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        place += 1
        if kind != "name" or token in _OPERATORS:
            continue
        if token in _GROUPING:
            if following == "(":
                end = place + [text for _, text in tokens[place:]].index(")")
                asked.grouped |= {text for kind, text in tokens[place:end] if kind == "name"}
                place = end
        elif following != "(" and following not in _GROUPING:
            end, matchers = place, []
            if following == "{":
                end = place + [text for _, text in tokens[place:]].index("}")
                parts = [text for _, text in tokens[place + 1 : end] if text != ","]
                matchers = [(label, sign, value[1:-1]) for label, sign, value in zip(*[iter(parts)] * 3, strict=True)]
            asked.selectors.append((token, matchers))
            place = end
    return asked


def faults(expression: str, samples: Mapping[str, list[Mapping[str, str]]], words: Mapping[str, set[str]]) -> Iterator[str]:
    """Says what an expression asks for that no sample has: a metric, a label, or a label's value.

    `words` has values of labels that are known, though no sample may have them at the moment.
    """
    asked, labels = read(expression), set(_ADDED)
    for metric, matchers in asked.selectors:
        if metric in _OWN:
            continue
        if not samples.get(metric):
            yield f"there is no {metric}"
            continue
        there = {label for sample in samples[metric] for label in sample}
        labels |= there
        for label, sign, value in matchers:
            values = {sample.get(label, "") for sample in samples[metric]} | words.get(label, set())
            if label not in there | _ADDED:
                yield f"{metric} has no label {label}"
            elif "$" in value or label in _ADDED:
                continue
            elif sign == "=" and value not in values:
                yield f"{metric} has no {label}={value}"
            elif sign == "=~" and not any(re.fullmatch(value, known) for known in values):
                yield f"{metric} has no {label} like {value}"
    for label in asked.grouped - labels:
        yield f"nothing has the label {label}"
