"""The twistd plugin: C{twistd filesrv} is L{filesrv.service}."""

from twisted.application.service import ServiceMaker

serviceMaker = ServiceMaker(
    "filesrv",
    "filesrv.service",
    "A file server whose transfers go on after any break.",
    "filesrv",
)
