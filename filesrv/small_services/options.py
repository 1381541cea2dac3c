"""
Which of the small services are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from twisted.python.usage import UsageError

from filesrv.small_services.daytime import DaytimeDatagrams, DaytimeFactory
from filesrv.small_services.endpoints import SamePortEndpoint, UDPEndpoint
from filesrv.small_services.guard import Guard
from filesrv.small_services.udp_echo import UDPEcho

__all__ = ["SmallService", "small_services"]


class SmallService(NamedTuple):
    """
    @ivar text: where it listens, as it was said.
    @ivar endpoint: where it listens; C{endpoint.listen(answers)} does.
    @ivar answers: the factory, or the protocol over UDP.
    """

    text: str
    endpoint: Any
    answers: Any


def small_services(
    reactor: Any, options: Mapping[str, Any], endpoint_of: Callable[[Any, str, str], Any]
) -> list[SmallService]:
    """
    Those that are asked for.  None listens yet.

    @param endpoint_of: makes a TCP endpoint of a description and the option's name.
    @raise UsageError: an option is wrong.
    """
    guard = Guard(reactor)
    found = []
    daytime, echo = options["daytime"], options["udp-echo"]
    if daytime is not None:
        endpoint = endpoint_of(reactor, daytime, "daytime")
        if options["daytime-udp"]:
            endpoint = SamePortEndpoint(reactor, endpoint, DaytimeDatagrams(reactor, guard))
        found.append(SmallService(daytime, endpoint, DaytimeFactory(reactor)))
    elif options["daytime-udp"]:
        raise UsageError("--daytime-udp goes with --daytime, whose number it takes")
    if echo is not None:
        endpoint = UDPEndpoint.parse(reactor, "udp-echo", echo)
        found.append(SmallService(echo, endpoint, UDPEcho(reactor, guard)))
    return found
