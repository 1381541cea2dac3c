"""
The ``sequence`` directive: a picture of L{drawing}, in the page itself and in its colours.
Where a page has no pictures, the table stands for itself.

    .. sequence:: client, server

       -> SYN
       <- SYN, ACK
       -> ACK
"""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from drawing import draw, parse
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

__all__ = ["Sequence", "setup"]


class Sequence(SphinxDirective):
    """``.. sequence:: LEFT, RIGHT``, with the rows as its content."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"name": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """What stands in the page."""
        left, comma, right = (part.strip() for part in self.arguments[0].partition(","))
        if not comma:
            raise self.error("two names, with a comma between them")
        try:
            rows = parse(list(self.content))
        except ValueError as error:
            raise self.error(str(error)) from error
        shown = addnodes.only(expr="html")
        shown += nodes.raw("", f"<figure>{draw(left, right, rows)}</figure>", format="html")
        table = "\n".join([f"{left} | {right}", *self.content])
        told = addnodes.only(expr="not html")
        told += nodes.literal_block(table, table)
        self.add_name(shown)
        return [shown, told]


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_directive("sequence", Sequence)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
