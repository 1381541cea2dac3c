"""
The daemon's end of a connection: phases, verbs, and the protocol that joins them to
Twisted.  What a word means is L{filesrv.wire}'s, how bytes move L{filesrv.transfer}'s,
and where they rest L{filesrv.store}'s.
"""
