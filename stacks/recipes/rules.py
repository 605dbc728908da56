"""What a rule about recipes is."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Recipe = Mapping[str, Any]
# Says what is wrong, and what would work.
Rule = Callable[[Recipe], Iterator[str]]
