"""Work done in threads a little ahead of its use, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, depth: int
) -> Generator[Result, None, None]:
    """Yield the result of each item, in order.

    Args:
        work: Called in a thread.
        items: Taken as they are needed, never more than `depth` and a few before their use.
        workers: Threads.
        depth: Results that may wait.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        todo = iter(items)

        def refill() -> None:
            for item in todo:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= depth + workers:
                    break

        refill()
        try:
            while waiting:
                done = waiting.popleft().result()
                refill()
                yield done
        finally:
            for future in waiting:
                future.cancel()
