# SPDX-License-Identifier: Apache-2.0
"""Judges requests to AWS by Debian's botocore, which nobody here wrote: it signs each request again, and writes its parameters
again, and both have to come out the same."""
import datetime
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.serialize

FORM = "application/x-www-form-urlencoded; charset=utf-8"


class Wrong(Exception):
    """What is wrong with a request; a text."""


def model_of(service):
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


class Ec2Form:
    """Parameters of the EC2 protocol, read by the service's own model, and written again by botocore."""

    def __init__(self):
        self.model = model_of("ec2")
        self.serializer = botocore.serialize.EC2Serializer()

    def check(self, body):
        pairs = urllib.parse.parse_qsl(body, keep_blank_values=True, strict_parsing=True)
        if len(dict(pairs)) != len(pairs):
            raise Wrong("a parameter stands twice")
        given = dict(pairs)
        if given.get("Action") not in self.model.operation_names:
            raise Wrong(f"there is no action {given.get('Action')}")
        operation = self.model.operation_model(given["Action"])
        value = self.read(operation.input_shape, "", given)
        again = self.serializer.serialize_to_request(value or {}, operation)["body"]
        if {name: str(text) for name, text in again.items()} != given:
            raise Wrong(f"{given} would be {again}")
        return given

    def read(self, shape, prefix, given):
        """The value that is spelt below `prefix`; None when nothing is."""
        if shape.type_name == "structure":
            out = {}
            for name, member in shape.members.items():
                wire = member.serialization.get("queryName") or self.capital(member.serialization.get("name", name))
                value = self.read(member, prefix + ("." if prefix else "") + wire, given)
                if value is not None:
                    out[name] = value
            return out or None
        if shape.type_name == "list":
            out = []
            while (value := self.read(shape.member, f"{prefix}.{len(out) + 1}", given)) is not None:
                out.append(value)
            return out or None
        text = given.get(prefix)
        if text is None:
            return None
        return {"boolean": lambda: text == "true", "integer": lambda: int(text)}.get(shape.type_name, lambda: text)()

    @staticmethod
    def capital(name):
        return name[0].upper() + name[1:]


class _Then(botocore.auth.SigV4Auth):
    """Signs as of the time that the request names."""

    def __init__(self, *args, then):
        super().__init__(*args)
        self.then = then

    def add_auth(self, request):
        request.context["timestamp"] = self.then
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        return self.signature(self.string_to_sign(request, canonical), request)


def check_signature(method, url, headers, body, secret_of, service, region):
    """secret_of(id) -> (secret, token or None); raises KeyError. Returns the time of signing."""
    given = {name.lower(): value for name, value in headers.items()}
    kind, _, rest = given.get("authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",")) if rest else {}
    if kind != "AWS4-HMAC-SHA256" or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
        raise Wrong("there is no Signature Version 4")
    key, day, for_region, for_service, last = parts["Credential"].split("/")
    then = given["x-amz-date"]
    if (for_region, for_service, last, day) != (region, service, "aws4_request", then[:8]):
        raise Wrong(f"it is signed for {parts['Credential']}")
    secret, token = secret_of(key)
    signed = parts["SignedHeaders"].split(";")
    if "host" not in signed or "content-type" not in signed or "x-amz-date" not in signed:
        raise Wrong(f"only {signed} are signed")
    if token != given.get("x-amz-security-token"):
        raise Wrong("the session's token is missing, or another's")
    if token and "x-amz-security-token" not in signed:
        raise Wrong("the session's token is not signed")
    request = botocore.awsrequest.AWSRequest(method, url, {name: given[name] for name in signed if name != "x-amz-date"}, body)
    if token:
        del request.headers["x-amz-security-token"]
    signer = _Then(botocore.credentials.Credentials(key, secret, token), service, region, then=then)
    signature = signer.add_auth(request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    if signature != parts["Signature"]:
        raise Wrong("the signature is another than botocore's")
    if names != parts["SignedHeaders"]:
        raise Wrong(f"signed headers {parts['SignedHeaders']} are not in order")
    return datetime.datetime.strptime(then, "%Y%m%dT%H%M%SZ")
