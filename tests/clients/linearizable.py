"""Whether a history of one credential at several replicas is one that docs/guarantees.md allows.

The changes have one order, in which each takes effect between its call and its answer (linearizability). Each replica has a
view, which is a state that this order went through, and which only moves forward. A change is in the view of the replica
that acknowledged it from then on, and in every other view within the promised time. A log-in is decided by the view.

The search is that of Wing and Gong (Testing and Verifying Concurrent Objects, 1993), with the states that were met
remembered, as Lowe has it (Testing for linearizability, 2017).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

ABSENT, ACTIVE, DISABLED, DELETED = "absent", "active", "disabled", "deleted"
# To which state a change leads, from each in which it is made.
CHANGES = {
    "create": {ABSENT: ACTIVE},
    "disable": {ACTIVE: DISABLED, DISABLED: DISABLED},
    "enable": {ACTIVE: ACTIVE, DISABLED: ACTIVE},
    "delete": {ACTIVE: DELETED, DISABLED: DELETED},
    # The root may enable what an operator disabled. Of what isn't stored the id is revoked.
    "revoke": {ACTIVE: DISABLED, DISABLED: DISABLED, DELETED: DELETED},
}
NEVER = float("inf")


class Operation(NamedTuple):
    """A call at a replica; the times are of one clock that never goes back."""

    replica: int
    what: str
    """One of CHANGES, or `exchange`."""
    outcome: str
    """`ok`, `refused`, or `unknown`: made, or not, or made later."""
    invoked: float
    returned: float


class Cut(NamedTuple):
    """A time for which a replica didn't reach its database."""

    replica: int
    begun: float
    ended: float


@dataclass(frozen=True)
class Promise:
    """How soon a replica knows of a change that another one acknowledged."""

    within: float = 1.0
    """While the replica reaches its database."""
    cuts: Sequence[Cut] = ()
    resumed: float = 2.0
    """After a cut, until the replica serves as before."""
    staleness: float = 300.0
    """A replica that is cut off decides nothing by what is older."""

    def must_know(self, change: Operation, at: Operation) -> bool:
        if change.outcome != "ok" or change.returned >= at.invoked:
            return False
        if change.replica == at.replica or at.invoked - change.returned > self.staleness:
            return True
        return any(until - since > self.within for since, until in self._connected(at.replica, change.returned, at.invoked))

    def _connected(self, replica: int, since: float, until: float) -> Iterator[tuple[float, float]]:
        for cut in sorted(cut for cut in self.cuts if cut.replica == replica):
            yield since, min(until, cut.begun)
            since = max(since, cut.ended + self.resumed)
        yield since, until


def _is_made(operation: Operation) -> bool:
    """Whether it changes the state; every other is decided by a view."""
    return operation.what in CHANGES and operation.outcome != "refused"


class _Point(NamedTuple):
    """Where the search is."""

    done: int
    """The operations that have their place, a bit each."""
    first: str
    """The state before the changes in `order`."""
    order: tuple[int, ...]
    """The changes that made each later state, as far as some view is behind them."""
    views: tuple[int, ...]
    """How many of these each replica's view has."""


@dataclass
class _Search:
    history: Sequence[Operation]
    promise: Promise
    known: list[list[int]] = field(init=False)
    """For each operation, the changes that its replica has to know."""
    views: dict[int, int] = field(init=False)
    """The place of each replica that is asked."""

    def __post_init__(self) -> None:
        asked = {operation.replica for operation in self.history if not _is_made(operation)}
        self.views = {replica: place for place, replica in enumerate(sorted(asked))}
        self.known = [
            [number for number, change in enumerate(self.history) if change.what in CHANGES and self.promise.must_know(change, operation)]
            for operation in self.history
        ]

    def find(self) -> list[Operation]:
        """Nothing where there is an order; otherwise the operations that had no place when the search came furthest."""
        wanted = sum(1 << number for number, operation in enumerate(self.history) if operation.outcome != "unknown")
        stack = [_Point(0, ABSENT, (), (0,) * len(self.views))]
        met = set(stack)
        furthest = 0
        while stack:
            point = stack.pop()
            if point.done & wanted == wanted:
                return []
            if (point.done & wanted).bit_count() > (furthest & wanted).bit_count():
                furthest = point.done
            for next_ in self._steps(point):
                if next_ not in met:
                    met.add(next_)
                    stack.append(next_)
        return [operation for number, operation in enumerate(self.history) if (wanted & ~furthest) >> number & 1]

    def _steps(self, point: _Point) -> Iterator[_Point]:
        open_ = [number for number in range(len(self.history)) if not point.done >> number & 1]
        # Whoever had an answer by then comes before whoever asked afterwards.
        first_answer = min((self.history[n].returned for n in open_ if self.history[n].outcome != "unknown"), default=NEVER)
        for number in open_:
            if self.history[number].invoked <= first_answer:
                yield from self._place(point, number)

    def _place(self, point: _Point, number: int) -> Iterator[_Point]:
        operation = self.history[number]
        states = self._states(point)
        done = point.done | 1 << number
        if _is_made(operation):
            if states[-1] in CHANGES[operation.what]:
                yield self._shortened(_Point(done, point.first, (*point.order, number), point.views))
            return
        # The oldest state that fits leaves most to those that come later.
        place = self.views[operation.replica]
        view = point.views[place]
        for change in self.known[number]:
            if change in point.order:
                view = max(view, point.order.index(change) + 1)
        for seen in range(view, len(states)):
            if self._fits(operation, states[seen]):
                views = list(point.views)
                views[place] = seen
                yield self._shortened(_Point(done, point.first, point.order, tuple(views)))
                return

    def _states(self, point: _Point) -> list[str]:
        states = [point.first]
        for change in point.order:
            states.append(CHANGES[self.history[change].what][states[-1]])
        return states

    def _shortened(self, point: _Point) -> _Point:
        """Without the changes that every view has: what comes doesn't depend on them."""
        least = min(point.views, default=len(point.order))
        if not least:
            return point
        return _Point(point.done, self._states(point)[least], point.order[least:], tuple(view - least for view in point.views))

    @staticmethod
    def _fits(operation: Operation, state: str) -> bool:
        if operation.what == "exchange":
            return (operation.outcome == "ok") == (state == ACTIVE)
        # A change is refused where there is nothing to change.
        return state in (ABSENT, DELETED)


def misplaced(history: Sequence[Operation], promise: Promise) -> list[Operation]:
    """The operations that have no place in any order that the promise allows; none when there is one."""
    asked = [operation for operation in history if (operation.what, operation.outcome) != ("exchange", "unknown")]
    return _Search(sorted(asked, key=lambda operation: operation.invoked), promise).find()
