"""The dashboard and the documented table, held against the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from filesrv.server.events import Events
from filesrv.watch.ledger import Ledger
from filesrv.watch.metrics import Metrics
from filesrv.watch.moment import Moment
from tests.support.memory import MemoryReactor

DOCS = Path(__file__).parents[2] / "docs"

NAME = re.compile(r"filesrv_\w+")


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """The series that the page has, each with its labels."""
    events, clock = Events(), MemoryReactor()
    metrics = Metrics(events)
    metrics.registry.register(Moment(Ledger(events, clock), clock))
    return {
        sample.name: set(sample.labels)
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def families(series: dict[str, set[str]]) -> set[str]:
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in series}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "grafana" / "filesrv.json").read_text())
    return found


def queries(dashboard: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return found + [one["query"] for one in dashboard["templating"]["list"]]


def test_each_query_names_series_that_there_are(
    dashboard: dict[str, Any], series: dict[str, set[str]]
) -> None:
    for query in queries(dashboard):
        for name in NAME.findall(query):
            assert name in series, query


def test_queries_group_by_labels_that_there_are(
    dashboard: dict[str, Any], series: dict[str, set[str]]
) -> None:
    for query in queries(dashboard):
        labels = set().union(*(series[name] for name in NAME.findall(query)), {"instance"})
        for group in re.findall(r"by \(([^)]*)\)", query):
            assert set(group.split(", ")) <= labels, query


def test_each_metric_is_in_a_panel(dashboard: dict[str, Any], series: dict[str, set[str]]) -> None:
    shown = set(NAME.findall(" ".join(queries(dashboard))))
    assert families({name: set() for name in shown}) == families(series)


def test_panels_have_places_and_names_of_their_own(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    for found in (places, [p["id"] for p in panels], [p["title"] for p in panels]):
        assert len(set(found)) == len(panels)


def test_the_documented_metrics_are_those_that_there_are(series: dict[str, set[str]]) -> None:
    text = (DOCS / "watching.rst").read_text(encoding="utf-8")
    documented = set(re.findall(r"^``(filesrv_\w+)`` ", text, re.MULTILINE))
    assert documented == families(series)
