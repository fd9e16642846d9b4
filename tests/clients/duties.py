"""All that goes on behind a service in months, in minutes: its clock is moved, keys change, and what it needs comes and goes."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from mixed import Worker, World
from postgres import Postgres
from processes import wait_until
from redis_server import Redis
from service import Clock, Transire
from shared import degraded

# More than a leaf certificate lives before it is renewed, and than keys do by the settings below.
WEEK = timedelta(days=8)
# More than housekeeping, a checkpoint and the first use of a new key wait for.
MINUTE = timedelta(seconds=70)
SETTINGS = {"TRANSIRE_KEYS__SIGNING_DAYS": "7", "TRANSIRE_KEYS__SEALING_DAYS": "7", "TRANSIRE_AUDIT_DAYS": "1"}
AWAY_SECONDS = 2.0


class Duties:
    """One after the other, with the load of the clients beside them."""

    def __init__(self, world: World, workers: list[Worker], server: Postgres, redis: Redis, clock: Clock, key_file: Path) -> None:
        self.done: Counter[str] = Counter()
        self._world, self._workers = world, workers
        self._server, self._redis, self._clock, self._key_file = server, redis, clock, key_file

    def all(self, pause: float) -> None:
        """Does each once, with a while after it in which nothing but the load goes on."""
        for duty in self._every():
            self._world.stage = duty.__name__
            duty()
            self._world.over.wait(timeout=pause)

    def _every(self) -> list[Callable[[], None]]:
        return [
            self.a_minute_passes,
            self.keys_are_rotated,
            self.a_minute_passes,
            self.a_replica_is_restarted,
            self.redis_is_away,
            self.the_database_is_killed,
            self.a_week_passes,
            self.a_minute_passes,
            self.the_master_key_is_rotated,
            self.the_database_is_silent,
        ]

    def unattended(self) -> dict[str, int]:
        """Counts what the services did by themselves."""
        log = "".join(replica.log.read_text(errors="replace") for replica in self._world.replicas)
        checkpoints, oldest = (
            int(self._server.psql(query, database="transire"))
            for query in ("SELECT max(number) FROM audit_checkpoint", "SELECT min(first_at) FROM audit_page")
        )
        age = timedelta(milliseconds=time.time() * 1000 - oldest) + self._world.ahead
        return {
            "checkpoints": checkpoints,
            "certificates renewed": log.count("renewed a signing certificate"),
            "keys made on schedule": log.count("made a new key on schedule"),
            "weeks of audit deleted": self.done["weeks"] - age // WEEK,
        }

    def command(self, *arguments: str | Path) -> None:
        """Runs a command at the service's time."""
        first = self._world.replicas[0]
        done = first.run(*arguments, environment=self._clock.environment())
        assert done.returncode == 0, f"{arguments}: {done.stderr}"

    def a_minute_passes(self) -> None:
        self._move(MINUTE)
        self.done["minutes"] += 1

    def a_week_passes(self) -> None:
        """Temporary credentials end, old lines of the audit go, and certificates and keys are renewed."""
        self._move(WEEK)
        self.done["weeks"] += 1

    def _move(self, by: timedelta) -> None:
        with self._world.held():
            if by >= WEEK:
                for worker in self._workers:
                    worker.forget()
            self._world.ahead += by
            self._clock.move(f"+{int(self._world.ahead.total_seconds())}")

    def keys_are_rotated(self) -> None:
        for kind in ("signing", "sealing", "audit"):
            self.command("keys", "rotate", kind)
            self.done["rotations"] += 1

    def the_master_key_is_rotated(self) -> None:
        """As the operator does it: the key first, then a minute, and then the command."""
        old, new = self._key_file.read_text().strip(), secrets.token_hex(32)
        given = self._key_file.with_suffix(".new")
        given.touch(mode=0o600)
        given.write_text(new)
        before = [self._known_keys(replica) for replica in self._world.replicas]
        self._key_file.write_text(f"{old}\n{new}\n")
        self._move(MINUTE)
        for replica, count in zip(self._world.replicas, before, strict=True):
            wait_until("it to know the master key", lambda: self._known_keys(replica) > count)  # noqa: B023
        self.command("keys", "rotate", "master", "--new-key-file", given)
        self.command("keys", "rotate", "master", "--finish")
        self._key_file.write_text(f"{new}\n")
        self.done["master keys"] += 1

    @staticmethod
    def _known_keys(replica: Transire) -> int:
        return replica.log.read_text(errors="replace").count("knows the master key")

    def a_replica_is_restarted(self) -> None:
        """The last one; its socket stays."""
        replica = self._world.replicas[-1]
        assert replica.stop() == 0
        replica.start()
        self.done["restarts"] += 1

    def redis_is_away(self) -> None:
        """No client notices."""
        self._redis.kill()
        time.sleep(AWAY_SECONDS)
        assert self._redis.start()
        wait_until("all to share", lambda: not any(map(degraded, self._world.replicas)))
        self.done["times without Redis"] += 1

    def the_database_is_killed(self) -> None:
        with self._world.without_database():
            self._server.kill()
            time.sleep(AWAY_SECONDS)
            self._server.start()
            self._await_database()

    def the_database_is_silent(self) -> None:
        with self._world.without_database():
            self._server.pause()
            time.sleep(AWAY_SECONDS)
            self._server.go_on()
            self._await_database()

    def _await_database(self) -> None:
        wait_until("all to be ready", lambda: all(replica.is_ready() for replica in self._world.replicas))
        self.done["times without a database"] += 1
