"""Many primaries are killed under load, and their synchronous standbys promoted; the services go on."""

import random
import time
from pathlib import Path

from kills import Kills, Rows, split_rows
from postgres import Postgres
from processes import wait_until
from service import Transire

# Nothing of a server that died is read again, so that a disk is of no use; a new standby takes a fifth of the time.
MEMORY = Path("/dev/shm")
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()"


class Promotions(Kills):
    """Rounds of load, the loss of the primary, the promotion of its standby, and a look."""

    unsure = True

    def __init__(self, transire: Transire, primary: Postgres, standby: Postgres) -> None:
        self._primary, self._standby = primary, standby
        super().__init__(transire, self._read_primary)
        primary.wants_standby()

    def rounds(self, count: int) -> None:
        while self.totals.kills < count and not self.totals.found():
            if self.totals.kills:
                self._replace()
            with self.writing():
                time.sleep(random.uniform(0, 0.3))
                # So that something is acknowledged by both.
                self.await_changes(10)
                self._fail_over()
                self.await_changes(10)
            self.look()

    def end(self) -> None:
        for server in (self._primary, self._standby):
            server.remove()

    def _fail_over(self) -> None:
        self._primary.kill()
        self.totals.kills += 1
        self._standby.promote()
        self._primary, self._standby = self._standby, self._primary

    def _replace(self) -> None:
        """Another standby takes the place of the server that died."""
        self._standby.remove()
        self._standby = Postgres(follows=self._primary, port=self._standby.port, folder=MEMORY)
        self._primary.wants_standby()

    def _read_primary(self, queries: list[str]) -> list[Rows]:
        wait_until("all that was begun to end", lambda: self._primary.psql(BUSY, database="transire") == "0")
        return [split_rows(self._primary.psql(query, database="transire"), query) for query in queries]
