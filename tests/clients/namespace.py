"""Networks and tables of host names of one's own: nothing outside sees them, and nothing is left of them."""

import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from processes import Daemon

_AS_ROOT = os.geteuid() == 0


class Namespace:
    """Programs in it have a loopback with every port free, and the host names that they are given."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        folder.mkdir()
        hosts = folder / "hosts"
        hosts.write_text(" ".join(["127.0.0.1", "localhost", *names]) + "\n")
        user = [] if _AS_ROOT else ["--user", "--map-root-user"]
        # It lives while this one does, and says so once it is ready.
        script = 'ip link set lo up && mount --bind "$1" /etc/hosts && echo ready && exec sleep infinity'
        self._holder = Daemon(
            ["unshare", *user, "--net", "--mount", "sh", "-c", script, "sh", hosts], folder, folder / "namespace.log", announces=True
        )
        assert self._holder.first_line() == "ready\n", self._holder.read_log()

    @property
    def pid(self) -> int:
        """Whoever has it can hand network devices in."""
        return self._holder.pid

    def command(self, *command: str | os.PathLike[str], folder: Path | None = None) -> list[str | os.PathLike[str]]:
        """What runs a command inside, in this folder or the one that this process is in."""
        user = [] if _AS_ROOT else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self._holder.pid), *user, "--net", "--mount", f"--wdns={folder or Path.cwd()}", *command]

    def run(self, *command: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in self.command(*command)],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def python(self, script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs a script with the packages of these tests; secrets go by the environment."""
        return self.run(sys.executable, "-c", script, environment=environment)

    def end(self) -> None:
        self._holder.stop()


@dataclass(frozen=True)
class Machine:
    """A network of its own with one address that others reach."""

    namespace: Namespace
    address: str


class Network:
    """Machines, this one among them, around a router that loses what a test wants lost: nobody is told, as on a cut line.

    No way leads outside.
    """

    # Kept for tests of networks, and routed nowhere.
    RANGE = "198.18.0.0/15"

    def __init__(self, folder: Path) -> None:
        assert _AS_ROOT, "only root can put a network between this process and others: run ./test as root"
        folder.mkdir()
        self._folder = folder
        self._machines: list[Machine] = []
        self._cuts: set[frozenset[Machine]] = set()
        self._lent = 0
        self._router = Namespace(folder / "router", [])
        try:
            self._in(self._router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            # Another run of the tests may have a network at this moment.
            name = f"transire{random.randrange(1 << 20):05x}"
            part = random.randrange(512)
            self._prefix = f"198.{18 + part // 256}.{part % 256}"
            self._range = f"{self._prefix}.0/24"
            self._router_address = f"{self._prefix}.254"
            self._run("ip", "link", "add", name, "type", "veth", "peer", "name", "tester", "netns", str(self._router.pid))
            self._join([], name, "tester", f"{self._prefix}.1")
        except BaseException:
            self._router.end()
            raise

    def add(self) -> Machine:
        """Another machine, which all others reach."""
        number = len(self._machines) + 2
        machine = Machine(Namespace(self._folder / f"machine-{number}", []), f"{self._prefix}.{number}")
        self._machines.append(machine)
        link = f"machine-{number}"
        self._in(self._router, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(machine.namespace.pid))
        self._join(machine.namespace.command(), "eth0", link, machine.address)
        return machine

    def more_addresses(self, machine: Machine, count: int) -> list[str]:
        """Further addresses of a machine, which all others reach."""
        number = machine.address.rpartition(".")[2]
        addresses = []
        for _ in range(count):
            self._lent += 1
            address = f"{self._prefix}.{100 + self._lent}"
            self._run(*machine.namespace.command(), "ip", "address", "add", f"{address}/32", "dev", "eth0")
            self._in(self._router, "ip", "route", "add", f"{address}/32", "dev", f"machine-{number}")
            addresses.append(address)
        return addresses

    def cut(self, one: Machine, other: Machine) -> None:
        """Loses from now on whatever one sends the other, both ways."""
        self._filter("-I", one, other)
        self._cuts.add(frozenset((one, other)))

    def heal(self, one: Machine, other: Machine) -> int:
        """Loses nothing between them any more; how many packets were lost, none when nothing was cut."""
        if frozenset((one, other)) not in self._cuts:
            return 0
        self._cuts.remove(frozenset((one, other)))
        counted = self._in(self._router, "iptables", "--wait", "-nvxL", "FORWARD")
        lost = [line.split() for line in counted.splitlines() if "DROP" in line.split()]
        self._filter("-D", one, other)
        return sum(int(fields[0]) for fields in lost if {one.address, other.address} <= {*fields})

    def end(self) -> None:
        for machine in self._machines:
            machine.namespace.end()
        # The devices go with it.
        self._router.end()

    def _filter(self, what: str, one: Machine, other: Machine) -> None:
        # At the router: a machine's own firewall would tell the sender.
        for source, target in ((one, other), (other, one)):
            self._in(self._router, "iptables", "--wait", what, "FORWARD", "-s", source.address, "-d", target.address, "-j", "DROP")

    def _join(self, inside: list[str | os.PathLike[str]], device: str, at_router: str, address: str) -> None:
        """Gives both ends of a line their addresses, and the way to the rest."""
        self._in(self._router, "ip", "address", "add", self._router_address, "peer", address, "dev", at_router)
        self._in(self._router, "ip", "link", "set", at_router, "up")
        self._run(*inside, "ip", "address", "add", address, "peer", self._router_address, "dev", device)
        self._run(*inside, "ip", "link", "set", device, "up")
        self._run(*inside, "ip", "route", "add", self._range, "via", self._router_address)

    def _in(self, namespace: Namespace, *command: str) -> str:
        return self._run(*namespace.command(*command))

    @staticmethod
    def _run(*command: str | os.PathLike[str]) -> str:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}"
        return done.stdout
