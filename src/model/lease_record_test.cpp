// SPDX-License-Identifier: Apache-2.0
#include "model/lease_record.hpp"

#include <doctest/doctest.h>

using namespace twill;

namespace {

Lease lease(const char* type, const char* data = "", const char* data6 = "") {
  return {.subnet = *Prefix::parse("10.5.51.0/24"),
          .publicIp = *IpAddress::parse("192.168.77.1"),
          .backendType = type,
          .backendData = data,
          .backendV6Data = data6};
}

/// What flannel 0.20.2 has put into etcd.
struct Golden {
  Lease lease;
  LeaseRecord record;
};

std::vector<Golden> goldens() {
  Lease dual = lease("vxlan", R"({"VNI":1,"VtepMAC":"42:08:4f:ff:d8:40"})",
                     R"({"VNI":1,"VtepMAC":"8e:8e:b3:c9:c5:24"})");
  dual.subnet = *Prefix::parse("10.5.48.0/24");
  dual.subnet6 = *Prefix::parse("fd05:0:0:18::/64");
  dual.publicIp = *IpAddress::parse("192.168.77.2");
  dual.publicIp6 = *IpAddress::parse("fd77::2");
  return {
      {lease("vxlan", R"({"VNI":1,"VtepMAC":"ce:3d:2b:10:86:af"})"),
       {"10.5.51.0-24",
        R"({"PublicIP":"192.168.77.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"ce:3d:2b:10:86:af"}})"}},
      {dual,
       {"10.5.48.0-24&fd05:0:0:18::-64",
        R"({"PublicIP":"192.168.77.2","PublicIPv6":"fd77::2","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"42:08:4f:ff:d8:40"},"BackendV6Data":{"VNI":1,"VtepMAC":"8e:8e:b3:c9:c5:24"}})"}},
      {lease("host-gw"),
       {"10.5.51.0-24", R"({"PublicIP":"192.168.77.1","PublicIPv6":null,"BackendType":"host-gw"})"}},
      {lease("ipip"),
       {"10.5.51.0-24", R"({"PublicIP":"192.168.77.1","PublicIPv6":null,"BackendType":"ipip"})"}},
      {lease(""), {"10.5.51.0-24", R"({"PublicIP":"192.168.77.1","PublicIPv6":null})"}},
      {lease("extension", R"("stdout")"),
       {"10.5.51.0-24",
        R"({"PublicIP":"192.168.77.1","PublicIPv6":null,"BackendType":"extension","BackendData":"stdout"})"}}};
}

std::string refusal(const char* key, const char* value = R"({"PublicIP":"192.0.2.1"})") {
  const auto parsed = parseRecord(key, value);
  return parsed ? "" : parsed.error().text;
}

}  // namespace

TEST_CASE("leases are written and read as flannel writes them, byte for byte") {
  for (const auto& [lease, record] : goldens()) {
    CAPTURE(record.value);
    const auto written = toRecord(lease);
    REQUIRE(written);
    CHECK(written->key == record.key);
    CHECK(written->value == record.value);
    const auto read = parseRecord(record.key, record.value);
    REQUIRE(read);
    CHECK(*read == lease);
  }
}

TEST_CASE("udp has no type in flannel's leases") {
  CHECK(toRecord(lease("udp"))->value == R"({"PublicIP":"192.168.77.1","PublicIPv6":null})");
}

TEST_CASE("flannel's layout has no place for a lease without an IPv4 subnet") {
  Lease wrong = lease("host-gw");
  wrong.subnet.reset();
  const auto record = toRecord(wrong);
  REQUIRE_FALSE(record);
  CHECK(record.error().kind == Error::Kind::invalid);
}

TEST_CASE("what is no lease is refused by key and reason") {
  CHECK(refusal("10.5.51.0-24").empty());
  for (const char* key :
       {"", "config", "10.5.51.0", "10.5.51.0/24", "10.5.51.1-24", "10.5.51.0-32", "10.5.51.0-x", "fd05::-64",
        "10.5.51.0-24&", "10.5.51.0-24&10.5.52.0-24", "10.5.51.0-24&fd05::-128"}) {
    CAPTURE(key);
    CHECK(refusal(key).find("is no subnet; expected") != std::string::npos);
  }
  CHECK(refusal("10.5.51.0-24", "{").find("the lease '10.5.51.0-24'") == 0);
  CHECK(refusal("10.5.51.0-24", R"({"PublicIP":"x"})").find("PublicIP is \"x\"") != std::string::npos);
  CHECK(refusal("10.5.51.0-24", R"({"BackendData":7})").find("BackendData is 7") != std::string::npos);
  CHECK(refusal("10.5.51.0-24", "[]").find("expected") != std::string::npos);
}

TEST_CASE("keys of a value have any case, and unknown ones do not matter") {
  const auto read =
      parseRecord("10.5.51.0-24", R"({"publicip":"192.0.2.1","Strange":{},"backendtype":"vxlan"})");
  REQUIRE(read);
  CHECK(read->publicIp == IpAddress::parse("192.0.2.1").value());
  CHECK(read->backendType == "vxlan");
}
