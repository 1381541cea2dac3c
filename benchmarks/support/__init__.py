"""
What all measurements need: cores, processes, sockets, tables.
"""
