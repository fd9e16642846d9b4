"""Operators of a service, who ask its admin API."""

import json
import subprocess
from pathlib import Path

from service import Transire


class Operators:
    """A service with the admin API, and operators of it."""

    def __init__(self, transire: Transire, folder: Path) -> None:
        self.transire, self._folder = transire, folder
        self.at = f"http://{transire.admin}"

    def token(self, name: str, role: str, *options: str) -> str:
        made = self.transire.cli("operator", "create", "--name", name, "--role", role, *options)
        return self.transire.remember("operator token", made["token"])

    def token_file(self, name: str, role: str) -> Path:
        file = self._folder / f"{name}.token"
        file.write_text(self.token(name, role))
        return file

    def ask(self, method: str, path: str, token: str | None = None, body: object = None, **headers: str) -> tuple[int, dict[str, str], dict]:
        """Asks by curl; the status, the headers and the JSON of the answer."""
        command = ["curl", "-sS", "--include", "--request", method, f"{self.at}{path}"]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        for name, value in headers.items():
            command += ["--header", f"{name.replace('_', '-')}: {value}"]
        if body is not None:
            command += ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        head, _, text = answer.partition("\n\n")
        first, *lines = head.split("\n")
        given = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return int(first.split(" ")[1]), given, json.loads(text)

    def run(self, token_file: Path, *command: str | Path, form: str = "json") -> subprocess.CompletedProcess[str]:
        """Runs a command at the service."""
        at = [self.transire.binary, "--server", self.at, "--token-file", token_file]
        command = [*at, *command, "--output", form]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.transire.data_dir.parent)
