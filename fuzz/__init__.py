"""
What strangers may send, tried by machines: targets, oracles, a runner, and what was kept.

A target is a module of L{fuzz.targets} with a function C{check(data)} that raises when a
promise is broken.  The tests in ``tests/fuzz`` call it with what Hypothesis makes up and
with the corpus; ``python -m fuzz`` calls it with what atheris finds by coverage.
"""
