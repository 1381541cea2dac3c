"""
What both ends of a connection say: commands, replies, refusals, names, times.

Pure functions and frozen values over bytes and text, after ``docs/protocol.rst``.
This room imports neither Twisted nor anything that touches a file, so that each
rule of the wire can be tested, fuzzed and reused without a connection.
"""
