"""
Those who look on: what runs now, what has been counted, and what is to happen when a file
was stored.  This room hears L{filesrv.server.events} and never speaks on a connection.
"""
