"""
Where bytes rest: published files, the partial files of uploads, and the registry of
what is unfinished.

This room knows no verb and no socket.  L{filesrv.store.root} is the only way from a
name to a place in the file system.
"""
