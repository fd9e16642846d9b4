"""A way to a transire on which answers get lost."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from service import Answer


@dataclass(frozen=True)
class Request:
    """A request as its client wrote it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def send(self, endpoint: str) -> Answer:
        """Sends it, byte for byte, as often as it is called."""
        connection = http.client.HTTPConnection(endpoint, timeout=30)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers:
                connection.putheader(name, value)
            connection.endheaders(self.body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


class Relay:
    """Passes requests on; the first `lost` answers never reach their client, which hangs up when it has waited long enough."""

    def __init__(self, endpoint: str, lost: int) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, self.headers.items(), body)
                answer = request.send(endpoint)
                relay.requests.append(request)
                relay.answers.append(answer)
                if len(relay.answers) <= lost:
                    self.connection.recv(1)
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
