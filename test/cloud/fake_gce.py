#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the parts of Google Cloud that twilld calls: the metadata server and Compute Engine's routes. It is no Google
Cloud; its judge is libcloud, whose client has to understand it (test/interop/fake_gce_test.py).

usage: fake_gce.py --cloud CLOUD.json [--program-routes] LISTEN...

CLOUD.json: {"project", "number", "zone", "network", "instances": {name: {"address", "address6", "forward"}}}. LISTEN is
ADDRESS:PORT; all listen for all. POST /control switches faults on, GET /control tells what is there."""
import argparse
import ipaddress
import json
import re
import threading
import time
import urllib.parse

from fake_http import Faults, KernelRoutes, Reply, control, serve

NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
REASONS = {400: "invalid", 401: "authError", 403: "forbidden", 404: "notFound", 409: "alreadyExists", 429: "rateLimitExceeded",
           503: "backendError"}
FIELDS = {"name", "network", "destRange", "priority", "nextHopInstance", "nextHopIp", "nextHopGateway", "description", "tags",
          "kind"}


def refuse(status, message, reason=None):
    error = {"code": status, "message": message,
             "errors": [{"message": message, "domain": "global", "reason": reason or REASONS[status]}]}
    raise Reply(status, json.dumps({"error": error}), "application/json")


class Cloud:
    def __init__(self, spec, kernel):
        self.spec, self.kernel, self.faults, self.lock = spec, kernel, Faults(), threading.RLock()
        self.base = f"https://www.googleapis.com/compute/v1/projects/{spec['project']}"
        self.routes, self.operations, self.calls, self.wrong, self.token = {}, {}, [], [], 1

    def state(self):
        with self.lock:
            return {"routes": self.routes, "calls": self.calls[-1000:], "wrong": self.wrong, "faults": self.faults.now}

    def instance_of(self, url):
        return self.spec["instances"].get(url.rsplit("/", 1)[-1]) if url and "/instances/" in url else None

    def program(self):
        wanted = {}
        for route in self.routes.values():
            one = self.instance_of(route.get("nextHopInstance"))
            if one and one.get("forward", True):
                wanted[route["destRange"]] = one["address6" if ":" in route["destRange"] else "address"]
        self.kernel.follow(wanted)

    # --- the metadata server

    def metadata(self, handler):
        before, _, path = handler.path.partition("/computeMetadata/v1/")
        if handler.headers.get("Metadata-Flavor") != "Google":
            raise Reply(403)
        named, asks = before.strip("/"), handler.client_address[0]
        name = named if named in self.spec["instances"] else next(
            (name for name, one in self.spec["instances"].items() if asks in (one["address"], one.get("address6"))), None)
        if name is None:
            raise Reply(404)
        token = {"access_token": f"token-{self.token}", "expires_in": self.faults.get("session", 3600), "token_type": "Bearer"}
        known = {"project/project-id": self.spec["project"], "instance/name": name,
                 "instance/zone": f"projects/{self.spec['number']}/zones/{self.spec['zone']}",
                 "instance/network-interfaces/0/network": f"projects/{self.spec['number']}/networks/{self.spec['network']}"}
        if not self.faults.get("no_account"):
            known["instance/service-accounts/default/token"] = json.dumps(token)
        raise Reply(200 if path in known else 404, known.get(path, ""), headers={"Metadata-Flavor": "Google"})

    # --- Compute Engine

    def operation(self, kind, change):
        """`change` is carried out when the operation is, and may answer an error."""
        name = f"operation-{len(self.operations) + 1}"
        self.operations[name] = {"kind": "compute#operation", "id": str(len(self.operations) + 1), "name": name,
                                 "operationType": kind, "status": "PENDING", "progress": 0, "change": change,
                                 "due": time.monotonic() + self.faults.get("slow", 0),
                                 "selfLink": f"{self.base}/global/operations/{name}"}
        self.answer_json(self.public(self.operations[name]))

    @staticmethod
    def public(operation):
        return {key: value for key, value in operation.items() if key not in ("change", "due")}

    def look(self, operation):
        if operation["status"] == "DONE" or time.monotonic() < operation["due"]:
            return
        error = operation["change"]()
        operation.update(status="DONE", progress=100)
        if error:
            code, status, message = error
            operation.update(error={"errors": [{"code": code, "message": message}]}, httpErrorStatusCode=status,
                             httpErrorMessage=message)
        self.program()

    @staticmethod
    def answer_json(value):
        raise Reply(200, json.dumps(value), "application/json")

    def insert(self, text):
        body = json.loads(text)
        if not NAME.fullmatch(body.get("name", "")):
            refuse(400, f"Invalid value for field 'resource.name': '{body.get('name')}'.")
        if unknown := body.keys() - FIELDS:
            refuse(400, f"Unknown name {sorted(unknown)}")
        try:
            ipaddress.ip_network(body["destRange"])
        except (KeyError, ValueError):
            refuse(400, "Invalid value for field 'resource.destRange'")
        if sum(key in body for key in ("nextHopInstance", "nextHopIp", "nextHopGateway")) != 1:
            refuse(400, "Exactly one next hop must be specified.")
        if body["name"] in self.routes:
            refuse(409, f"The resource 'projects/{self.spec['project']}/global/routes/{body['name']}' already exists")
        if "nextHopInstance" in body and self.instance_of(body["nextHopInstance"]) is None:
            refuse(404, f"The resource '{body['nextHopInstance']}' was not found")
        if self.faults.get("early_quota") is not None and len(self.routes) >= self.faults.get("early_quota"):
            refuse(403, "Quota 'ROUTES' exceeded.", "quotaExceeded")
        route = {"kind": "compute#route", "id": str(len(self.operations) + 1), "priority": 1000, "tags": [],
                 "creationTimestamp": "2026-01-01T00:00:00.000-00:00", "selfLink": f"{self.base}/global/routes/{body['name']}",
                 **body}
        for key in ("network", "nextHopInstance"):
            if key in route:
                route[key] = "https://www.googleapis.com/compute/v1/" + route[key][route[key].index("projects/"):]

        def change():
            if len(self.routes) >= self.faults.get("quota", 250):
                return "QUOTA_EXCEEDED", 403, "Quota 'ROUTES' exceeded.  Limit: 250.0 globally."
            self.routes[body["name"]] = route
            return None

        self.operation("insert", change)

    def list(self, query):
        found = list(self.routes.values())
        if text := query.get("filter", [""])[0]:
            match = re.fullmatch(r'network\s*(?:=|eq)\s*"([^"]+)"', text)
            if match is None:
                refuse(400, f"Invalid value for field 'filter': '{text}'.")
            found = [one for one in found if one["network"] == match.group(1)]
        begin, size = int(query.get("pageToken", ["0"])[0]), self.faults.get("page", 500)
        answer = {"kind": "compute#routeList", "id": "projects/p/global/routes", "items": found[begin:begin + size]}
        for item in answer["items"]:
            if self.instance_of(item.get("nextHopInstance")) is None and "nextHopInstance" in item:
                item["warnings"] = [{"code": "NEXT_HOP_INSTANCE_NOT_FOUND", "message": "gone"}]
        if begin + size < len(found):
            answer["nextPageToken"] = str(begin + size)
        self.answer_json(answer)

    def compute(self, handler):
        url = urllib.parse.urlparse(handler.path)
        path, query = url.path.removeprefix("/compute/v1/"), urllib.parse.parse_qs(url.query)
        time.sleep(self.faults.get("hang", 0))
        with self.lock:
            self.calls.append(f"{handler.command} {path}")
            if self.faults.count_down("throttle"):
                refuse(403, "Rate Limit Exceeded", "rateLimitExceeded")
            if self.faults.count_down("broken"):
                refuse(503, "Backend Error")
            if handler.headers.get("Authorization") != f"Bearer token-{self.token}":
                refuse(401, "Invalid Credentials")
            if any(path.endswith(end) for end in self.faults.get("deny", [])):
                refuse(403, "Required 'compute.routes.create' permission for the project", "forbidden")
            if handler.text and "json" not in handler.headers.get("Content-Type", ""):
                self.wrong.append(f"{path}: a body of type {handler.headers.get('Content-Type')}")
            self.resource(handler.command, path.split("/"), query, handler.text)

    def resource(self, verb, parts, query, text):
        if parts[0] != "projects" or parts[1] not in (self.spec["project"], str(self.spec["number"])):
            refuse(404, "The project was not found")
        match verb, parts[2:]:
            case "GET", []:
                self.answer_json({"kind": "compute#project", "name": self.spec["project"], "id": str(self.spec["number"]),
                                  "selfLink": self.base, "creationTimestamp": "2026-01-01T00:00:00.000-00:00",
                                  "commonInstanceMetadata": {"kind": "compute#metadata", "fingerprint": "x"},
                                  "quotas": [{"metric": "ROUTES", "limit": float(self.faults.get("quota", 250)),
                                              "usage": float(len(self.routes))}]})
            case "GET", ["global", "routes"]:
                self.list(query)
            case "POST", ["global", "routes"]:
                self.insert(text)
            case ("GET" | "DELETE") as which, ["global", "routes", name]:
                if name not in self.routes:
                    refuse(404, f"The resource 'projects/{parts[1]}/global/routes/{name}' was not found")
                if which == "GET":
                    self.answer_json(self.routes[name])
                self.operation("delete", lambda: self.routes.pop(name, None) and None)
            case _, ["global", "operations", name, *_rest] if name in self.operations:
                self.look(self.operations[name])
                self.answer_json(self.public(self.operations[name]))
            case "GET", ["global", "networks", name] if name == self.spec["network"]:
                self.answer_json({"kind": "compute#network", "name": name, "id": "1", "IPv4Range": "10.0.0.0/8",
                                  "selfLink": f"{self.base}/global/networks/{name}",
                                  "creationTimestamp": "2026-01-01T00:00:00.000-00:00"})
            case "GET", ["zones", zone, "instances", name] if name in self.spec["instances"]:
                one = self.spec["instances"][name]
                interface = {"networkIP": one["address"], "network": f"{self.base}/global/networks/{self.spec['network']}"}
                if one.get("address6"):
                    interface["ipv6Address"] = one["address6"]
                self.answer_json({"kind": "compute#instance", "name": name, "canIpForward": one.get("forward", True),
                                  "networkInterfaces": [interface], "zone": zone, "status": "RUNNING"})
            case _:
                self.wrong.append(f"{verb} {'/'.join(parts)}")
                refuse(404, "The resource was not found")

    def on_control(self, wanted):
        with self.lock:
            for route in wanted.pop("add", []):
                self.routes[route["name"]] = route
            for name in wanted.pop("remove", []):
                self.routes.pop(name, None)
            if wanted.pop("new_token", False):
                self.token += 1
            self.faults.now.update(wanted)
            self.program()

    def answer(self, handler):
        control(handler, self.faults, self.state)
        if "/computeMetadata/v1/" in handler.path:
            self.metadata(handler)
        self.compute(handler)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cloud", required=True)
    parser.add_argument("--program-routes", action="store_true")
    parser.add_argument("listen", nargs="+")
    args = parser.parse_args()
    with open(args.cloud) as file:
        cloud = Cloud(json.load(file), KernelRoutes(args.program_routes))
    cloud.faults.set = cloud.on_control
    serve(args.listen, cloud.answer)


if __name__ == "__main__":
    main()
