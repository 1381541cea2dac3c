"""
The command C{filesrv-admin}: what a daemon on this machine does, and the power to end one
connection or discard an upload.  It speaks to the daemon over a socket in its state directory.
"""
