"""
The plugins: C{twistd filesrv} is L{filesrv.service}, and C{--auth filesrv:PATH} of any
twistd service checks passwords that C{filesrv passwd} has written.
"""

from twisted.application.service import ServiceMaker

from filesrv.access.checkers import HashedPasswordsFactory

serviceMaker = ServiceMaker(
    "filesrv",
    "filesrv.service",
    "A file server whose transfers go on after any break.",
    "filesrv",
)

hashedPasswords = HashedPasswordsFactory()
