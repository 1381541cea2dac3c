"""
filesrv: the file server that people reach for when a transfer has to arrive.
"""

__version__ = "0.1.0"
