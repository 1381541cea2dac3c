"""
What filesrv takes, in seconds and in memory.  Nothing here is installed with it.
"""
