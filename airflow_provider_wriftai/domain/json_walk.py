"""Every value in a JSON-like value with its path, without recursion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_wriftai.client.text import path_repr


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it is.

    Attributes:
        value: The value.
        parent: The node of the object or list that holds it.
        segment: Its key or index there.
        depth: How many objects and lists hold it.
    """

    value: object
    parent: Node | None = None
    segment: object = None
    depth: int = 0

    @property
    def path(self) -> tuple[object, ...]:
        """The keys and indexes that lead to the value."""
        segments: list[object] = []
        node = self
        while node.parent is not None:
            segments.append(node.segment)
            node = node.parent
        return tuple(reversed(segments))

    def __str__(self) -> str:
        return path_repr("/".join(map(_segment, self.path))) if self.parent is not None else "the top"


def _segment(segment: object) -> str:
    return segment if isinstance(segment, str) else repr(segment)


def walk(value: object) -> Iterator[Node]:
    """Yield the value and everything in it, depth first.

    The walk is lazy. A caller that may meet a value that contains itself stops by depth or count.
    """
    pending = [Node(value)]
    while pending:
        node = pending.pop()
        yield node
        current = node.value
        if isinstance(current, Mapping):
            children = [Node(child, node, key, node.depth + 1) for key, child in current.items()]
        elif isinstance(current, list | tuple):
            children = [Node(child, node, index, node.depth + 1) for index, child in enumerate(current)]
        else:
            continue
        pending.extend(reversed(children))
