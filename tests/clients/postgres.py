"""A database of a test's own, at the suite's PostgreSQL server."""

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit


def psql(url: str, command: str, environment: Mapping[str, str] | None = None) -> str:
    """What the server answers; the password comes from the pgpass file."""
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", f"--dbname={url}", f"--command={command}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    return done.stdout.strip()


@contextmanager
def new_database(folder: Path) -> Iterator[tuple[str, Path]]:
    """The URL of an empty database, without the password: that is in a pgpass file, the second."""
    server = urlsplit(os.environ["TRANSIRE_TEST_POSTGRES"])
    name = f"transire_{secrets.token_hex(8)}"
    password = unquote(server.password or "").replace("\\", "\\\\").replace(":", "\\:")
    pgpass = folder / "pgpass"
    pgpass.touch(mode=0o600)
    pgpass.write_text(f"{server.hostname}:{server.port}:*:{server.username}:{password}\n")
    environment = {**os.environ, "PGPASSFILE": str(pgpass)}
    at_server = f"postgres://{server.username}@{server.hostname}:{server.port}"
    psql(f"{at_server}{server.path}", f"CREATE DATABASE {name}", environment)
    yield f"{at_server}/{name}", pgpass
    psql(f"{at_server}{server.path}", f"DROP DATABASE {name} WITH (FORCE)", environment)
