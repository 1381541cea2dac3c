"""
The smallest services: the time over TCP and UDP, and the echo over UDP.

Each is off until it is asked for.  None knows a file, a verb, or the server beside it;
what the service listens with and for is said in L{filesrv.small_services.options}.
"""
