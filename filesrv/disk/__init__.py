"""
When bytes are on disk: writing early, and flushing without waiting, by calls of Linux that
Python has no name for.  Both ends use it.  This room knows descriptors, and must not know a
name, a verb or a socket.
"""
