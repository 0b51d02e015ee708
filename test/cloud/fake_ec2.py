#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the parts of AWS that twilld calls: EC2, the instance metadata service, STS, Service Quotas. It is no AWS; its
judge is botocore, whose client has to understand it (test/interop/fake_ec2_test.py), and which judges each request that comes.

usage: fake_ec2.py --cloud CLOUD.json [--program-routes] [--lenient] LISTEN...

CLOUD.json: {"region", "vpc", "subnet", "tables": {id: {"main": bool, "subnets": [id]}}, "instances": {id: {"eni", "mac",
"address", "address6"}}, "keys": {id: secret}}. LISTEN is ADDRESS:PORT; all listen for all. POST /control switches faults on, GET
/control tells what is there. --program-routes: entries are routes of the namespace, too. --lenient: without botocore."""
import argparse
import datetime
import ipaddress
import json
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

from fake_http import Bucket, Faults, KernelRoutes, Reply, control, serve

QUOTA = 500
ROLE_KEY, ROLE_SECRET = "ASIATWILLROLE", "role/secret+1"


class Xml(str):
    """Is XML already."""


def xml(value):
    """A dictionary's items are elements; a list's are `item`s."""
    if isinstance(value, Xml):
        return value
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(one)}</{name}>" for name, one in value.items() if one is not None)
    if isinstance(value, list):
        return "".join(f"<item>{xml(one)}</item>" for one in value)
    return escape({True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value))


def refuse(status, code, message):
    body = f"<?xml version=\"1.0\"?><Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>" \
           "</Errors><RequestID>r-1</RequestID></Response>"
    raise Reply(status, body, "text/xml;charset=UTF-8")


class Cloud:
    def __init__(self, spec, kernel):
        self.spec, self.kernel, self.faults, self.lock = spec, kernel, Faults(), threading.RLock()
        self.tables = {name: [{"dst": "10.0.0.0/16", "gateway": "local", "origin": "CreateRouteTable"}] for name in spec["tables"]}
        self.check = {one["eni"]: True for one in spec["instances"].values()}
        self.calls, self.wrong, self.buckets, self.token = [], [], {}, 1
        self.counts, self.written = {}, {}

    def interface(self, eni):
        return next((dict(one, id=name) for name, one in self.spec["instances"].items() if one["eni"] == eni), None)

    def state(self):
        with self.lock:
            return {"tables": self.tables, "source_dest_check": self.check, "calls": self.calls[-1000:], "counts": self.counts,
                    "wrong": self.wrong, "faults": self.faults.now}

    def program(self):
        """What is active, and leads to an interface that forwards, after a change."""
        self.written = {}
        wanted = {}
        for table in self.tables.values():
            for route in table:
                one = self.interface(route.get("eni"))
                if one and not self.check[one["eni"]] and self.is_active(route):
                    wanted[route["dst"]] = one["address6" if ":" in route["dst"] else "address"]
        self.kernel.follow(wanted)

    def is_active(self, route):
        one = self.interface(route.get("eni"))
        return "gateway" in route or (one is not None and one["id"] not in self.faults.get("terminated", []))

    # --- who asks

    def secret_of(self, key):
        if key == ROLE_KEY:
            return ROLE_SECRET, f"token-{self.token}"
        return self.spec["keys"][key], None

    def authenticate(self, handler, service, judge):
        given = handler.headers.get("X-Amz-Security-Token", "")
        if given.startswith("token-") and given != f"token-{self.token}":
            refuse(400, "ExpiredToken" if service != "ec2" else "RequestExpired", "The security token has expired")
        if judge is None:
            return
        url = f"http://{handler.headers['Host']}{handler.path}"
        try:
            then = judge.check_signature(handler.command, url, handler.headers, handler.text, self.secret_of, service,
                                         self.spec["region"])
        except KeyError:
            refuse(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        skew = datetime.datetime.utcnow() + datetime.timedelta(seconds=self.faults.get("clock", 0)) - then
        if abs(skew) > datetime.timedelta(minutes=5):
            refuse(400, "RequestExpired", "Request has expired.")

    def throttle(self, action):
        if self.faults.count_down("throttle"):
            refuse(503, "RequestLimitExceeded", "Request limit exceeded.")
        if not self.faults.get("limits"):
            return
        size, rate = (100, 20) if action.startswith("Describe") else (50, 5)
        if not self.buckets.setdefault(action, Bucket(size, rate)).take():
            refuse(503, "RequestLimitExceeded", "Request limit exceeded.")

    # --- EC2

    def describe_instances(self, asked):
        one = self.spec["instances"].get(asked.get("InstanceId.1"))
        if one is None:
            refuse(400, "InvalidInstanceID.NotFound", "The instance ID does not exist")
        item = {"instanceId": asked["InstanceId.1"], "networkInterfaceSet": [self.interface_item(one)]}
        return {"reservationSet": [{"reservationId": "r-0", "instancesSet": [item]}]}

    def interface_item(self, one):
        six = [{"ipv6Address": one["address6"]}] if one.get("address6") else []
        return {"networkInterfaceId": one["eni"], "subnetId": self.spec["subnet"], "vpcId": self.spec["vpc"],
                "sourceDestCheck": self.check[one["eni"]], "privateIpAddress": one["address"],
                "privateIpAddressesSet": [{"privateIpAddress": one["address"], "primary": True}], "ipv6AddressesSet": six}

    def describe_network_interfaces(self, asked):
        address = asked.get("Filter.1.Value.1")
        found = [dict(self.interface_item(one), attachment={"instanceId": name}) for name, one in self.spec["instances"].items()
                 if address in (one["address"], one.get("address6"))]
        return {"networkInterfaceSet": found}

    def modify_network_interface_attribute(self, asked):
        if asked["NetworkInterfaceId"] not in self.check:
            refuse(400, "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID does not exist")
        self.check[asked["NetworkInterfaceId"]] = asked["SourceDestCheck.Value"] == "true"
        return {"return": True}

    def describe_route_tables(self, asked):
        wanted = [value for name, value in asked.items() if name.startswith("RouteTableId.")]
        for name in wanted:
            if name not in self.tables:
                refuse(400, "InvalidRouteTableID.NotFound", f"The routeTable ID '{name}' does not exist")
        names = [name for name in self.tables if not wanted or name in wanted]
        for n in (1, 2):
            key, value = asked.get(f"Filter.{n}.Name"), asked.get(f"Filter.{n}.Value.1")
            if key == "association.subnet-id":
                names = [name for name in names if value in self.spec["tables"][name].get("subnets", [])]
            if key == "association.main":
                names = [name for name in names if self.spec["tables"][name].get("main")]
            if key == "vpc-id" and value != self.spec["vpc"]:
                names = []
        begin = int(asked.get("NextToken", 0))
        size = int(asked.get("MaxResults", self.faults.get("page", 100)))
        more = begin + size < len(names)
        return {"routeTableSet": [self.table_item(name) for name in names[begin:begin + size]],
                "nextToken": str(begin + size) if more else None}

    def table_item(self, name):
        spec = self.spec["tables"][name]
        links = [{"routeTableAssociationId": f"assoc-{i}", "routeTableId": name, "subnetId": one, "main": False}
                 for i, one in enumerate(spec.get("subnets", []))]
        if spec.get("main"):
            links.append({"routeTableAssociationId": "assoc-main", "routeTableId": name, "main": True})
        return {"routeTableId": name, "vpcId": self.spec["vpc"], "associationSet": links, "routeSet": self.route_set(name)}

    def route_set(self, name):
        """Of a thousand routes that a thousand nodes look at: written once."""
        now = time.monotonic()
        seen = [route for route in self.tables[name] if route.get("from", 0) <= now]
        if name not in self.written or len(seen) < len(self.tables[name]):
            self.written[name] = Xml(xml([self.route_item(route) for route in seen]))
        text = self.written[name]
        if len(seen) < len(self.tables[name]):
            del self.written[name]
        return text

    def route_item(self, route):
        item = {"destinationIpv6CidrBlock" if ":" in route["dst"] else "destinationCidrBlock": route["dst"]}
        item["gatewayId"] = route.get("gateway")
        if "eni" in route:
            one = self.interface(route["eni"])
            item["instanceId"] = one["id"] if one and self.is_active(route) else None
            item["networkInterfaceId"] = route["eni"]
        return dict(item, state="active" if self.is_active(route) else "blackhole", origin=route["origin"])

    def route_asked(self, asked):
        if asked["RouteTableId"] not in self.tables:
            refuse(400, "InvalidRouteTableID.NotFound", f"The routeTable ID '{asked['RouteTableId']}' does not exist")
        table = self.tables[asked["RouteTableId"]]
        dst = str(ipaddress.ip_network(asked.get("DestinationCidrBlock") or asked["DestinationIpv6CidrBlock"]))
        there = next((one for one in table if one["dst"] == dst and one["origin"] != "EnableVgwRoutePropagation"), None)
        if "NetworkInterfaceId" in asked and self.interface(asked["NetworkInterfaceId"]) is None:
            refuse(400, "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID does not exist")
        return table, dst, there

    def create_route(self, asked):
        table, dst, there = self.route_asked(asked)
        if there is not None:
            refuse(400, "RouteAlreadyExists", f"The route identified by {dst} already exists.")
        if len(table) >= self.faults.get("quota", QUOTA):
            refuse(400, "RouteLimitExceeded", f"The maximum number of routes has been reached for {asked['RouteTableId']}.")
        table.append({"dst": dst, "eni": asked["NetworkInterfaceId"], "origin": "CreateRoute",
                      "from": time.monotonic() + self.faults.get("invisible", 0)})
        return {"return": True}

    def replace_route(self, asked):
        _, dst, there = self.route_asked(asked)
        if there is None:
            refuse(400, "InvalidParameterValue", f"There is no route defined for '{dst}' in the route table.")
        there.pop("gateway", None)
        there.update(eni=asked["NetworkInterfaceId"], origin="CreateRoute")
        return {"return": True}

    def delete_route(self, asked):
        table, dst, there = self.route_asked(asked)
        if there is None:
            refuse(400, "InvalidRoute.NotFound", f"no route with destination-cidr-block {dst}")
        table.remove(there)
        return {"return": True}

    ACTIONS = {"DescribeInstances": describe_instances, "DescribeNetworkInterfaces": describe_network_interfaces,
               "ModifyNetworkInterfaceAttribute": modify_network_interface_attribute,
               "DescribeRouteTables": describe_route_tables, "CreateRoute": create_route, "ReplaceRoute": replace_route,
               "DeleteRoute": delete_route}

    def ec2(self, handler, judge, form):
        asked = dict(urllib.parse.parse_qsl(handler.text))
        action = asked.get("Action", "")
        time.sleep(self.faults.get("hang", 0))
        with self.lock:
            self.counts[action] = self.counts.get(action, 0) + 1
            self.calls.append({"action": action, **{k: v for k, v in asked.items() if k not in ("Action", "Version")}})
            self.throttle(action)
            if self.faults.count_down("garbage"):
                raise Reply(200, "<html>not what was asked for", "text/html")
            if self.faults.count_down("broken"):
                refuse(500, "InternalError", "An internal error has occurred")
        try:
            self.authenticate(handler, "ec2", judge)
            if form:
                form.check(handler.text)
                if handler.headers["Content-Type"] != judge.FORM:
                    raise judge.Wrong(f"content type {handler.headers['Content-Type']}")
        except Reply:
            raise
        except Exception as wrong:  # whatever it is, the request is not as it should be
            self.wrong.append(f"{action}: {wrong!r}")
            refuse(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        if action in self.faults.get("deny", []):
            refuse(403, "UnauthorizedOperation", "You are not authorized to perform this operation. "
                   "Encoded authorization failure message: AQIDBAUG")
        with self.lock:
            answer = self.ACTIONS[action](self, asked)
            if not action.startswith("Describe"):
                self.program()
        raise Reply(200, f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response '
                    f'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId>{xml(answer)}</{action}Response>',
                    "text/xml;charset=UTF-8")

    # --- the others

    def expiry(self):
        ends = datetime.datetime.utcnow() + datetime.timedelta(seconds=self.faults.get("session", 3600))
        return ends.strftime("%Y-%m-%dT%H:%M:%SZ")

    def metadata(self, handler):
        """Who asks is known by its address, or by a first part of the path, "/i-1/latest/..."."""
        before, _, path = handler.path.partition("/latest/")
        named = before.strip("/")
        asks = handler.client_address[0]
        name = named if named in self.spec["instances"] else next(
            (name for name, one in self.spec["instances"].items() if asks in (one["address"], one.get("address6"))), None)
        if name is None or self.faults.get("no_metadata"):
            raise Reply(404)
        if handler.command == "PUT" and path == "api/token":
            if not 1 <= int(handler.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "0")) <= 21600:
                raise Reply(400)
            raise Reply(200, f"metadata-{name}-{self.faults.get('metadata', 0)}")
        if handler.headers.get("X-aws-ec2-metadata-token") != f"metadata-{name}-{self.faults.get('metadata', 0)}":
            raise Reply(401)
        roles = "meta-data/iam/security-credentials/"
        session = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": ROLE_KEY, "SecretAccessKey": ROLE_SECRET,
                   "Token": f"token-{self.token}", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": self.expiry()}
        known = {"meta-data/instance-id": name, "meta-data/placement/region": self.spec["region"],
                 "meta-data/placement/availability-zone": self.spec["region"] + "a"}
        if not self.faults.get("no_role"):
            known |= {roles: "twill-node", roles + "twill-node": json.dumps(session)}
        raise Reply(200, known[path]) if path in known else Reply(404)

    def sts(self, handler):
        asked = dict(urllib.parse.parse_qsl(handler.text))
        if asked.get("WebIdentityToken") != "web-identity":
            raise Reply(400, "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>no</Message>"
                        "</Error></ErrorResponse>", "text/xml")
        session = {"AccessKeyId": ROLE_KEY, "SecretAccessKey": ROLE_SECRET, "SessionToken": f"token-{self.token}",
                   "Expiration": self.expiry()}
        raise Reply(200, '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                    f"<AssumeRoleWithWebIdentityResult><Credentials>{xml(session)}</Credentials></AssumeRoleWithWebIdentityResult>"
                    "</AssumeRoleWithWebIdentityResponse>", "text/xml")

    def quotas(self, handler, judge):
        self.authenticate(handler, "servicequotas", judge)
        if json.loads(handler.text) != {"ServiceCode": "vpc", "QuotaCode": "L-93826ACB"}:
            raise Reply(400, '{"__type":"NoSuchResourceException"}', "application/x-amz-json-1.1")
        if "GetServiceQuota" in self.faults.get("deny", []):
            raise Reply(400, '{"__type":"AccessDeniedException"}', "application/x-amz-json-1.1")
        quota = {"ServiceCode": "vpc", "QuotaCode": "L-93826ACB", "Value": float(self.faults.get("quota", QUOTA))}
        raise Reply(200, json.dumps({"Quota": quota}), "application/x-amz-json-1.1")

    def answer(self, handler, judge, form):
        control(handler, self.faults, self.state)
        if "/latest/" in handler.path:
            self.metadata(handler)
        if handler.path == "/container-credentials":
            if handler.headers.get("Authorization") != "container-token":
                raise Reply(401)
            raise Reply(200, json.dumps({"AccessKeyId": ROLE_KEY, "SecretAccessKey": ROLE_SECRET, "Token": f"token-{self.token}",
                                         "Expiration": self.expiry()}), "application/json")
        if handler.headers.get("X-Amz-Target", "").startswith("ServiceQuotas"):
            self.quotas(handler, judge)
        if "Action=AssumeRole" in handler.text:
            self.sts(handler)
        self.ec2(handler, judge, form)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cloud", required=True)
    parser.add_argument("--program-routes", action="store_true")
    parser.add_argument("--lenient", action="store_true")
    parser.add_argument("listen", nargs="+")
    args = parser.parse_args()
    judge = form = None
    if not args.lenient:
        import aws_judge as judge
        form = judge.Ec2Form()
    with open(args.cloud) as file:
        cloud = Cloud(json.load(file), KernelRoutes(args.program_routes))
    set_faults = cloud.faults.set

    def on_control(wanted):
        """Some are changes of what is there."""
        with cloud.lock:
            for table, destinations in wanted.pop("remove", {}).items():
                cloud.tables[table] = [one for one in cloud.tables[table] if one["dst"] not in destinations]
            for table, routes in wanted.pop("add", {}).items():
                cloud.tables[table] += routes
            if wanted.pop("new_token", False):
                cloud.token += 1
            set_faults(wanted)
            cloud.program()

    cloud.faults.set = on_control
    serve(args.listen, lambda handler: cloud.answer(handler, judge, form), lambda: cloud.faults.get("clock", 0))


if __name__ == "__main__":
    main()
