#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""botocore, AWS's own client library, drives test/cloud/fake_ec2.py: it has to understand each answer and each refusal."""
import sys
import time
import unittest

try:
    import botocore.config
    import botocore.exceptions
    import botocore.session
    import botocore.utils
except ImportError:
    print("python3-botocore is not there")
    sys.exit(77)

from fake_process import Fake

CLOUD = {"region": "eu-west-1", "vpc": "vpc-1", "subnet": "subnet-1", "keys": {"AKIDTEST": "secret/+="},
         "tables": {"rtb-1": {"main": True}, "rtb-2": {"subnets": ["subnet-1"]}},
         "instances": {"i-1": {"eni": "eni-1", "address": "10.0.0.10", "address6": "fd00::10"},
                       "i-2": {"eni": "eni-2", "address": "10.0.0.20"}}}


class Judge(unittest.TestCase):
    def setUp(self):
        self.fake = Fake("fake_ec2.py", CLOUD)
        self.addCleanup(self.fake.__exit__)
        self.ec2 = self.client()

    def client(self, service="ec2", secret="secret/+=", attempts=1):
        config = botocore.config.Config(retries={"total_max_attempts": attempts, "mode": "standard"})
        return botocore.session.get_session().create_client(
            service, region_name="eu-west-1", endpoint_url=self.fake.url, aws_access_key_id="AKIDTEST",
            aws_secret_access_key=secret, config=config)

    def routes(self, table="rtb-1"):
        found = self.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        return {one.get("DestinationCidrBlock") or one["DestinationIpv6CidrBlock"]: one for one in found[0]["Routes"]}

    def refused(self, code, call, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as refused:
            call(**arguments)
        self.assertEqual(refused.exception.response["Error"]["Code"], code)

    def test_a_route_is_made_found_replaced_and_deleted(self):
        route = {"RouteTableId": "rtb-1", "DestinationCidrBlock": "10.244.1.0/24"}
        self.assertTrue(self.ec2.create_route(NetworkInterfaceId="eni-1", **route)["Return"])
        found = self.routes()["10.244.1.0/24"]
        self.assertEqual((found["NetworkInterfaceId"], found["InstanceId"], found["State"], found["Origin"]),
                         ("eni-1", "i-1", "active", "CreateRoute"))
        self.assertEqual(self.routes()["10.0.0.0/16"]["GatewayId"], "local")
        self.refused("RouteAlreadyExists", self.ec2.create_route, NetworkInterfaceId="eni-2", **route)
        self.ec2.replace_route(NetworkInterfaceId="eni-2", **route)
        self.assertEqual(self.routes()["10.244.1.0/24"]["NetworkInterfaceId"], "eni-2")
        self.fake.control(terminated=["i-2"])
        self.assertEqual(self.routes()["10.244.1.0/24"]["State"], "blackhole")
        self.ec2.delete_route(**route)
        self.assertNotIn("10.244.1.0/24", self.routes())
        self.refused("InvalidRoute.NotFound", self.ec2.delete_route, **route)
        self.refused("InvalidParameterValue", self.ec2.replace_route, NetworkInterfaceId="eni-1", **route)

    def test_ipv6(self):
        self.ec2.create_route(RouteTableId="rtb-1", DestinationIpv6CidrBlock="fd42:0:0:1::/64", NetworkInterfaceId="eni-1")
        self.assertEqual(self.routes()["fd42:0:0:1::/64"]["NetworkInterfaceId"], "eni-1")

    def test_what_is_not_there_is_named(self):
        self.refused("InvalidRouteTableID.NotFound", self.ec2.describe_route_tables, RouteTableIds=["rtb-9"])
        self.refused("InvalidNetworkInterfaceID.NotFound", self.ec2.create_route, RouteTableId="rtb-1",
                     DestinationCidrBlock="10.244.1.0/24", NetworkInterfaceId="eni-9")
        self.refused("InvalidInstanceID.NotFound", self.ec2.describe_instances, InstanceIds=["i-9"])

    def test_instances_and_interfaces(self):
        one = self.ec2.describe_instances(InstanceIds=["i-1"])["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0]
        self.assertEqual((one["NetworkInterfaceId"], one["SubnetId"], one["VpcId"], one["SourceDestCheck"]),
                         ("eni-1", "subnet-1", "vpc-1", True))
        self.assertEqual(one["PrivateIpAddresses"][0]["PrivateIpAddress"], "10.0.0.10")
        self.assertEqual(one["Ipv6Addresses"][0]["Ipv6Address"], "fd00::10")
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId="eni-1", SourceDestCheck={"Value": False})
        found = self.ec2.describe_network_interfaces(
            Filters=[{"Name": "addresses.private-ip-address", "Values": ["10.0.0.10"]}])["NetworkInterfaces"]
        self.assertEqual([(one["NetworkInterfaceId"], one["SourceDestCheck"], one["Attachment"]["InstanceId"]) for one in found],
                         [("eni-1", False, "i-1")])

    def test_tables_are_found_by_subnet_and_as_the_main_one_and_come_in_pages(self):
        by = lambda *filters: [one["RouteTableId"] for one in self.ec2.describe_route_tables(
            Filters=[{"Name": name, "Values": [value]} for name, value in filters])["RouteTables"]]
        self.assertEqual(by(("association.subnet-id", "subnet-1")), ["rtb-2"])
        self.assertEqual(by(("association.main", "true"), ("vpc-id", "vpc-1")), ["rtb-1"])
        self.assertEqual(by(("association.main", "true"), ("vpc-id", "vpc-9")), [])
        self.fake.control(page=1)
        pages = list(self.ec2.get_paginator("describe_route_tables").paginate())
        self.assertEqual([one["RouteTableId"] for page in pages for one in page["RouteTables"]], ["rtb-1", "rtb-2"])

    def test_refusals(self):
        describe = self.ec2.describe_route_tables
        self.refused("AuthFailure", self.client(secret="wrong").describe_route_tables)
        self.fake.control(deny=["DescribeRouteTables"])
        self.refused("UnauthorizedOperation", describe)
        self.fake.control(deny=[], throttle=1)
        self.refused("RequestLimitExceeded", describe)
        self.fake.control(clock=3600)
        self.refused("RequestExpired", describe)
        self.fake.control(clock=0, quota=2)
        make = {"RouteTableId": "rtb-1", "NetworkInterfaceId": "eni-1"}
        self.ec2.create_route(DestinationCidrBlock="10.244.1.0/24", **make)
        self.refused("RouteLimitExceeded", self.ec2.create_route, DestinationCidrBlock="10.244.2.0/24", **make)

    def test_botocore_itself_goes_on_after_throttling(self):
        self.fake.control(throttle=2)
        self.assertEqual(len(self.client(attempts=4).describe_route_tables()["RouteTables"]), 2)

    def test_a_route_may_be_there_before_it_is_seen(self):
        self.fake.control(invisible=1)
        self.ec2.create_route(RouteTableId="rtb-1", DestinationCidrBlock="10.244.1.0/24", NetworkInterfaceId="eni-1")
        self.assertNotIn("10.244.1.0/24", self.routes())
        for _ in range(100):
            if "10.244.1.0/24" in self.routes():
                return
            time.sleep(0.1)
        self.fail("it never came in sight")

    def test_credentials_of_the_instance_of_a_role_and_of_the_token_service(self):
        fetcher = botocore.utils.InstanceMetadataFetcher(base_url=f"{self.fake.url}/i-1/")
        role = fetcher.retrieve_iam_role_credentials()
        self.assertEqual((role["role_name"], role["access_key"], role["token"]), ("twill-node", "ASIATWILLROLE", "token-1"))
        web = self.client("sts").assume_role_with_web_identity(
            RoleArn="arn:aws:iam::1:role/twill", RoleSessionName="a-node", WebIdentityToken="web-identity")
        self.assertEqual(web["Credentials"]["SessionToken"], "token-1")
        limit = self.client("service-quotas").get_service_quota(ServiceCode="vpc", QuotaCode="L-93826ACB")
        self.assertEqual(limit["Quota"]["Value"], 500.0)

    def test_nothing_that_botocore_asked_was_wrong(self):
        self.routes()
        self.assertEqual(self.fake.control()["wrong"], [])


if __name__ == "__main__":
    unittest.main(warnings="ignore")
