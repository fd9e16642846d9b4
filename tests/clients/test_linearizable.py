"""The checker of histories finds what is wrong, and nothing else."""

import random

import pytest

from linearizable import CHANGES, Cut, Operation, Promise, misplaced

PROMISE = Promise()


def history(*lines: str) -> list[Operation]:
    """Each line is `replica what outcome invoked returned`."""
    fields = [line.split() for line in lines]
    return [Operation(int(replica), what, outcome, float(begun), float(ended)) for replica, what, outcome, begun, ended in fields]


RIGHT = {
    "one after the other": [
        "0 create ok 0 1",
        "0 exchange ok 2 3",
        "0 disable ok 4 5",
        "0 exchange refused 6 7",
        "0 enable ok 8 9",
        "0 exchange ok 10 11",
    ],
    "a log-in during a change, either way": [
        "0 create ok 0 1",
        "0 disable ok 2 5",
        "0 exchange refused 3 4",
        "0 exchange refused 4 5",
    ],
    "and as before": ["0 create ok 0 1", "0 disable ok 2 5", "0 exchange ok 3 4", "0 exchange refused 6 7"],
    "two changes at a time, in the other order": [
        "0 create ok 0 1",
        "0 disable ok 2 5",
        "1 enable ok 3 4",
        "0 exchange refused 7 8",
        "1 exchange refused 7 8",
    ],
    "another replica hears within the second": [
        "0 create ok 0 1",
        "1 exchange ok 3 4",
        "0 disable ok 5 6",
        "1 exchange ok 6.9 7.5",
        "1 exchange refused 7.6 8",
    ],
    "another replica hears of a creation": ["0 create ok 0 1", "1 exchange refused 1.5 1.6", "1 exchange ok 1.7 1.8"],
    "an unknown change that was made": ["0 create ok 0 1", "0 disable unknown 2 3", "0 exchange refused 4 5"],
    "one that was not": ["0 create ok 0 1", "0 disable unknown 2 3", "0 exchange ok 9 10"],
    "one that is made late": ["0 create ok 0 1", "0 disable unknown 2 3", "0 exchange ok 9 10", "0 exchange refused 11 12"],
    "a revocation of what is gone": ["0 create ok 0 1", "0 delete ok 2 3", "0 revoke ok 4 5", "0 exchange refused 6 7"],
    "a refused change of what is gone": ["0 create ok 0 1", "0 delete ok 2 3", "0 disable refused 4 5", "0 exchange refused 4 5"],
    "cut off: behind": [
        "0 create ok 0 1",
        "1 exchange ok 3 4",
        "0 disable ok 6 7",
        "1 exchange ok 20 21",
        "1 exchange unknown 22 23",
    ],
    "cut off: hears after it": [
        "0 create ok 0 1",
        "1 exchange ok 3 4",
        "0 disable ok 36 37",
        "1 exchange ok 42.9 43",
        "1 exchange refused 43.1 43.2",
    ],
}
WRONG = {
    "a log-in before the creation": ["0 exchange ok 0 1", "0 create ok 2 3"],
    "lost": ["0 create ok 0 1", "0 exchange refused 2 3"],
    "revived": ["0 create ok 0 1", "0 delete ok 2 3", "0 exchange ok 4 5"],
    "enabled after its end": ["0 create ok 0 1", "0 delete ok 2 3", "0 enable ok 4 5"],
    "forgotten again": ["0 create ok 0 1", "0 disable ok 2 5", "0 exchange refused 2.5 3", "0 exchange ok 3.5 4"],
    "another replica hears too late": ["0 create ok 0 1", "1 exchange ok 3 4", "0 disable ok 5 6", "1 exchange ok 7.1 7.5"],
    "another replica forgets": [
        "0 create ok 0 1",
        "1 exchange ok 3 4",
        "0 disable ok 5 6",
        "1 exchange refused 6.1 6.2",
        "1 exchange ok 6.3 6.4",
    ],
    "its own replica hears late": ["0 create ok 0 1", "0 disable ok 2 3", "0 exchange ok 3.1 3.2"],
    "refused for no reason": ["0 create ok 0 1", "1 exchange ok 3 4", "1 exchange refused 5 6", "0 disable ok 7 8"],
    "a change of what is there is refused": ["0 create ok 0 1", "0 disable refused 2 3"],
    "an unknown change that was made and taken back": [
        "0 create ok 0 1",
        "0 disable unknown 2 3",
        "0 exchange refused 4 5",
        "0 exchange ok 6 7",
    ],
    "cut off: behind for too long": ["0 create ok 0 1", "1 exchange ok 3 4", "0 disable ok 6 7", "1 exchange ok 27.1 27.2"],
    "cut off: behind after it": ["0 create ok 0 1", "1 exchange ok 3 4", "0 disable ok 36 37", "1 exchange ok 43.1 43.2"],
    "cut off: refused for no reason": [
        "0 create ok 0 1",
        "1 exchange ok 3 4",
        "1 exchange refused 15 15.1",
        "0 disable ok 16 17",
    ],
}
CUT = Promise(cuts=[Cut(1, 5.5, 40)], staleness=20)


def promise(name: str) -> Promise:
    return CUT if name.startswith("cut off: ") else PROMISE


@pytest.mark.parametrize("name", RIGHT)
def test_a_history_that_is_promised(name: str) -> None:
    assert misplaced(history(*RIGHT[name]), promise(name)) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_history_that_is_not(name: str) -> None:
    assert misplaced(history(*WRONG[name]), promise(name))


def run(chance: random.Random, operations: int) -> list[Operation]:
    """Clients of three replicas whose views catch up within 0.9 s; each operation takes effect in its middle."""
    now, made, states = 0.0, [], [(0.0, "absent")]
    views = [0, 0, 0]
    for _ in range(operations):
        now += chance.random() * 0.5
        replica = chance.randrange(3)
        begun, ended = now - chance.random() * 0.4, now + chance.random() * 0.4
        state = states[-1][1]
        what = "create" if state == "absent" else chance.choice(["exchange"] * 6 + ["disable", "enable", "revoke"])
        if what == "exchange":
            due = max(number for number, (at, _) in enumerate(states) if number == 0 or at < now - 0.9)
            views[replica] = chance.randrange(max(views[replica], due), len(states))
            outcome = "ok" if states[views[replica]][1] == "active" else "refused"
        else:
            outcome = "ok"
            states.append((now, CHANGES[what][state]))
            views[replica] = len(states) - 1
        made.append(Operation(replica, what, outcome, begun, ended))
    return made


@pytest.mark.parametrize("seed", range(10))
def test_random_histories_that_are_made_as_promised(seed: int) -> None:
    assert misplaced(run(random.Random(seed), 80), PROMISE) == []


def test_random_histories_of_which_one_answer_is_turned_around() -> None:
    """Some of them are right that way, too: a view was free to be behind."""
    found = 0
    for seed in range(40):
        chance = random.Random(seed)
        made = run(chance, 60)
        number = chance.choice([number for number, operation in enumerate(made) if operation.what == "exchange"])
        made[number] = made[number]._replace(outcome="ok" if made[number].outcome == "refused" else "refused")
        found += bool(misplaced(made, PROMISE))
    assert found > 10
