"""The revision graph, read from files without executing them.

``read_graph`` turns version locations into a :class:`Graph`, or raises one ``GraphError`` that lists
everything wrong with them. Several heads are not an error of the graph; identifiers that they make
ambiguous are refused by :mod:`headway.planning`.
"""

from __future__ import annotations

from headway.revisions.faults import Fault, graph_error
from headway.revisions.graph import Graph
from headway.revisions.links import Revision, links
from headway.revisions.naming import id_problems, label_problems
from headway.revisions.reading import holds_sql, read_graph, read_revisions

__all__ = [
    "Fault",
    "Graph",
    "Revision",
    "graph_error",
    "holds_sql",
    "id_problems",
    "label_problems",
    "links",
    "read_graph",
    "read_revisions",
]
