"""Metrics, and what happens when a file was stored."""

from __future__ import annotations

from filesrv.service.options.option import Group, Option, Text

__all__ = ["GROUP"]

GROUP = Group(
    "watching",
    "Looking on",
    (
        Option(
            "metrics",
            "Serve /metrics for Prometheus, and /health, over HTTP there: a port number or an "
            "endpoint, such as tcp:9101:interface=127.0.0.1.",
            Text(toml=(str, int)),
            "PORT",
        ),
    ),
)
