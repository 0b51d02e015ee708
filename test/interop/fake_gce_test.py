#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libcloud drives test/cloud/fake_gce.py: it has to understand each answer and each refusal."""
import sys
import unittest
from unittest import mock

try:
    from libcloud.common import google
    from libcloud.compute.drivers import gce
except ImportError:
    print("python3-libcloud is not there")
    sys.exit(77)

from fake_process import Fake

CLOUD = {"project": "project-1", "number": 42, "zone": "europe-west1-b", "network": "default",
         "instances": {"vm-1": {"address": "10.0.0.10"}, "vm-2": {"address": "10.0.0.20"}}}


class Token:
    def get_token(self):
        return "token-1"


class Judge(unittest.TestCase):
    def setUp(self):
        self.fake = Fake("fake_gce.py", CLOUD)
        self.addCleanup(self.fake.__exit__)
        # A service account's key would be asked about at Google; the metadata server's token serves as well.
        with mock.patch.object(google, "GoogleOAuth2Credential") as credential, \
                mock.patch.object(gce.GCENodeDriver, "ex_list_zones", lambda *_: []), \
                mock.patch.object(gce.GCENodeDriver, "ex_list_regions", lambda *_: []):
            credential.return_value.access_token = "token-1"
            self.driver = gce.GCENodeDriver("user", "key", project="project-1", credential_file="none", secure=False)
        self.driver.connection.host, self.driver.connection.port = "127.0.0.1", self.fake.port
        self.driver.connection.connect()

    def insert(self, *route):
        """As ex_create_route() does, whose node object needs a whole zone around it."""
        self.driver.connection.async_request("/global/routes", method="POST", data=self.route(*route))

    def route(self, name, dst="10.244.1.0/24", vm="vm-1"):
        return {"name": name, "destRange": dst, "priority": 1000,
                "network": "https://www.googleapis.com/compute/v1/projects/project-1/global/networks/default",
                "nextHopInstance": f"https://www.googleapis.com/compute/v1/projects/project-1/zones/europe-west1-b/instances/{vm}"}

    def test_a_route_is_made_found_listed_and_destroyed(self):
        self.fake.control(slow=0.3)
        self.insert("twill-10-244-1-0-24")
        found = self.driver.ex_get_route("twill-10-244-1-0-24")
        self.assertEqual((found.dest_range, found.priority, found.extra["nextHopInstance"].rsplit("/", 1)[-1]),
                         ("10.244.1.0/24", 1000, "vm-1"))
        self.assertEqual([one.name for one in self.driver.ex_list_routes()], ["twill-10-244-1-0-24"])
        self.assertTrue(self.driver.ex_destroy_route(found))
        self.assertEqual(self.driver.ex_list_routes(), [])
        with self.assertRaises(google.ResourceNotFoundError):
            self.driver.ex_get_route("twill-10-244-1-0-24")

    def test_refusals(self):
        self.insert("a")
        with self.assertRaises(google.ResourceExistsError):
            self.insert("a")
        with self.assertRaises(google.InvalidRequestError):
            self.insert("Bad_Name")
        self.fake.control(quota=1)
        with self.assertRaises(google.QuotaExceededError):
            self.insert("b")
        self.fake.control(quota=250, new_token=True)
        with self.assertRaisesRegex(google.GoogleBaseError, "Invalid Credentials"):
            self.driver.ex_list_routes()

    def test_pages(self):
        for i in range(5):
            self.insert(f"r{i}", f"10.244.{i}.0/24")
        self.fake.control(page=2)
        where, names = {"maxResults": 2}, []
        while True:
            self.driver.connection.gce_params = where
            names += [one.name for one in self.driver.ex_list_routes()]
            if "pageToken" not in where:
                break
        self.assertEqual(names, ["r0", "r1", "r2", "r3", "r4"])

    def test_the_project_has_its_quota(self):
        quotas = self.driver.ex_get_project().quotas
        self.assertEqual([(one["metric"], one["limit"]) for one in quotas], [("ROUTES", 250.0)])


if __name__ == "__main__":
    unittest.main(warnings="ignore")
