# SPDX-License-Identifier: Apache-2.0
"""What the fakes of cloud APIs share: an HTTP server on several addresses with one handler, faults that a test injects, and
routes that a lab's router really has."""
import email.utils
import http.server
import json
import socket
import subprocess
import threading
import time


class Reply(Exception):
    """Ends a request."""

    def __init__(self, status, body="", kind="text/plain", headers=()):
        super().__init__(status)
        self.status, self.body, self.kind, self.headers = status, body, kind, dict(headers)


class Bucket:
    """A token bucket: `size` requests at once, `rate` more each second."""

    def __init__(self, size, rate):
        self.size, self.rate, self.tokens, self.at = size, rate, float(size), time.monotonic()

    def take(self):
        now = time.monotonic()
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Faults:
    """What tests switch on by POST /control, as JSON; GET /control tells what has happened."""

    def __init__(self):
        self.now = {}

    def set(self, wanted):
        self.now.update(wanted)

    def get(self, name, otherwise=None):
        return self.now.get(name, otherwise)

    def count_down(self, name):
        """True for as many times as the fault's number says."""
        left = self.now.get(name, 0)
        if left > 0:
            self.now[name] = left - 1
        return left > 0


class KernelRoutes:
    """Routes of the namespace that the fake runs in."""

    def __init__(self, on):
        self.on, self.there = on, {}

    def follow(self, wanted):
        """wanted: destination -> next hop"""
        if not self.on:
            return
        for dst, via in wanted.items():
            if self.there.get(dst) != via:
                subprocess.run(["ip", "route", "replace", dst, "via", via], check=True)
        for dst in self.there.keys() - wanted.keys():
            subprocess.run(["ip", "route", "del", dst], check=False)
        self.there = dict(wanted)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True

    def __init__(self, address, answer, skew):
        host, port = address.rsplit(":", 1)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answer, self.skew = answer, skew
        super().__init__((host.strip("[]"), int(port)), Handler)

    def handle_error(self, request, client_address):
        pass  # a client that is gone is no error of ours


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        """The header Date: of a cloud whose clock is another than ours, perhaps."""
        return email.utils.formatdate(time.time() + self.server.skew(), usegmt=True)

    def run(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.text = self.rfile.read(length).decode() if length else ""
        try:
            self.server.answer(self)
            reply = Reply(500, "nothing was answered")
        except Reply as given:
            reply = given
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = run


def control(handler, faults, state):
    """Answers /control; returns for all other paths. state(): what there is to see, as a value for JSON."""
    if not handler.path.startswith("/control"):
        return
    if handler.command == "POST":
        faults.set(json.loads(handler.text))
    raise Reply(200, json.dumps(state()), "application/json")


def serve(addresses, answer, skew=lambda: 0):
    """Until the process is ended. Says "ready" once it listens. skew(): seconds that the fake's clock is ahead."""
    servers = [Server(address, answer, skew) for address in addresses]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready " + " ".join(str(server.server_address[1]) for server in servers), flush=True)
    servers[0].serve_forever()
