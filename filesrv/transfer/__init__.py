"""
How bytes move: sending, receiving, digests, bitrate, pace, and whether the peer is there.

Both ends use this room.  It knows no verb, and of a file only its descriptor or
something to write to.
"""
