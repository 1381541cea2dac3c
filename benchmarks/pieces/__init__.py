"""
The inner pieces, each measured by itself, so that what became slower is found where it is:

    pytest benchmarks/pieces -n 0
"""
