"""Many primaries are killed under load, and Patroni makes others of their standbys; clients come through HAProxy."""

import os
import random
import time

from kills import Kills, Rows, split_rows
from patroni import Cluster
from postgres import psql
from processes import wait_until
from promotions import BUSY
from service import Transire

# A failover takes seconds: the dead one's place is free, and connections are made anew.
WITHIN = 60.0


class Failovers(Kills):
    """Rounds of load, the loss of the primary, the failover, and a look; the one that died comes back as a standby."""

    unsure = True
    most = 40
    known_within = 3.0

    def __init__(self, service: Transire, cluster: Cluster) -> None:
        self._cluster = cluster
        super().__init__(service, self._read_primary)

    def _begin(self) -> None:
        """All replicas run already."""

    def rounds(self, count: int) -> None:
        while self.totals.kills < count and not self.totals.found():
            wait_until("a primary with two standbys", self._cluster.is_whole, within=2 * WITHIN)
            with self.writing():
                self.await_changes(10)
                time.sleep(random.uniform(0, 1))
                self._fail_over()
                self.await_changes(10, WITHIN)
            self.look()

    def _fail_over(self) -> None:
        before = self._cluster.primary()
        assert before
        self._cluster.kill_postgres(before)
        self.totals.kills += 1
        wait_until("another primary", lambda: self._cluster.primary() not in (None, before), within=WITHIN)

    def _read_primary(self, queries: list[str]) -> list[Rows]:
        primary = self._cluster.primary()
        assert primary
        url, environment = f"postgres://postgres@{primary.address}/transire", {**os.environ, "PGPASSWORD": "superuserEXAMPLE"}
        wait_until("all that was begun to end", lambda: psql(url, BUSY, environment) == "0")
        return [split_rows(psql(url, query, environment), query) for query in queries]
