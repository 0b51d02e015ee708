// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/plans.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "datastore/etcd/registry.hpp"

using namespace twill;
using namespace twill::etcd;

namespace {

constexpr std::int64_t kOurs = 77;  // this node's etcd lease

std::string valueOf(const std::string& address) {
  return fmt::format(R"({{"PublicIP":"{}","PublicIPv6":null,"BackendType":"host-gw"}})", address);
}

KeyValue entry(const std::string& key, const std::string& value, std::int64_t revision = 5,
               std::int64_t lease = 9) {
  return {.key = "/p/" + key, .value = value, .created = revision, .revision = revision, .lease = lease};
}

Picture pictureOf(const std::vector<KeyValue>& entries) {
  Picture picture("/p");
  picture.replace({.revision = 10, .entries = entries});
  return picture;
}

Lease leaseOf(const std::string& subnet, const std::string& address) {
  return {.node = "node1",
          .subnet = *Prefix::parse(subnet),
          .publicIp = *IpAddress::parse(address),
          .backendType = "host-gw"};
}

const Lease kMine = leaseOf("10.5.1.0/24", "10.0.0.1");

}  // namespace

TEST_CASE("a lease that is not there is put, one that is there is left alone") {
  const auto put = planLease(pictureOf({}), kMine, {}, kOurs);
  REQUIRE(put);
  CHECK(put->key == "/p/subnets/10.5.1.0-24");
  CHECK(put->value == valueOf("10.0.0.1"));
  CHECK(put->lease == kOurs);
  CHECK(put->revision == 0);
  const auto there =
      planLease(pictureOf({entry("subnets/10.5.1.0-24", valueOf("10.0.0.1"), 5, kOurs)}), kMine, {}, kOurs);
  REQUIRE(there);
  CHECK(isNothing(*there));
}

TEST_CASE("a lease of an earlier start, or of flannel's, is moved to this node's etcd lease") {
  const auto put =
      planLease(pictureOf({entry("subnets/10.5.1.0-24", valueOf("10.0.0.1"), 5, 9)}), kMine, {}, kOurs);
  REQUIRE(put);
  CHECK(put->lease == kOurs);
  CHECK(put->revision == 5);
}

TEST_CASE("what is reserved stays so, for an address or for whoever comes first") {
  for (const std::string& value :
       {valueOf("10.0.0.1"), std::string("{}"), std::string(R"({"PublicIP":null})")}) {
    CAPTURE(value);
    const auto put = planLease(pictureOf({entry("subnets/10.5.1.0-24", value, 5, 0)}), kMine, {}, kOurs);
    REQUIRE(put);
    CHECK(isNothing(*put) == (value == valueOf("10.0.0.1")));
    CHECK(put->lease == 0);
  }
}

TEST_CASE("another subnet takes the place of the one before") {
  const Picture picture = pictureOf({entry("subnets/10.5.7.0-24", valueOf("10.0.0.1"), 6)});
  const auto put = planLease(picture, kMine, {}, kOurs);
  REQUIRE(put);
  CHECK(put->erased == "/p/subnets/10.5.7.0-24");
  CHECK(put->erasedRevision == 6);
  // So does it when the address has changed since.
  const auto moved =
      planLease(picture, leaseOf("10.5.1.0/24", "10.0.0.2"), leaseOf("10.5.7.0/24", "10.0.0.1"), kOurs);
  REQUIRE(moved);
  CHECK(moved->erased == "/p/subnets/10.5.7.0-24");
  // But what somebody else has got since is theirs.
  const auto lost =
      planLease(pictureOf({entry("subnets/10.5.1.0-24", valueOf("10.0.0.9"))}), kMine, kMine, kOurs);
  REQUIRE_FALSE(lost);
  CHECK(lost.error().kind == Error::Kind::conflict);
}

TEST_CASE("who holds a part of the subnet is named") {
  for (const char* key : {"10.5.1.0-24", "10.5.0.0-16", "10.5.1.128-25"}) {
    CAPTURE(key);
    const auto refused =
        planLease(pictureOf({entry(std::string("subnets/") + key, valueOf("10.0.0.2")),
                             entry("twill/nodes/x", R"({"Node":"node2","PublicIP":"10.0.0.2"})")}),
                  kMine, {}, kOurs);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == Error::Kind::conflict);
    CHECK(refused.error().text.find("node1 cannot have 10.5.1.0/24: node2 at 10.0.0.2 holds") == 0);
  }
  CHECK(
      planLease(pictureOf({entry("subnets/10.5.2.0-24", valueOf("10.0.0.2")), entry("subnets/rubbish", "[")}),
                kMine, {}, kOurs));
}

TEST_CASE("a reservation keeps what its node has said of itself") {
  const std::string said =
      R"({"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1}})";
  const auto put = planReservation(pictureOf({entry("subnets/10.5.1.0-24", said)}), kMine);
  REQUIRE(put);
  CHECK(put->value == said);
  CHECK(put->lease == 0);
  CHECK(isNothing(*planReservation(pictureOf({entry("subnets/10.5.1.0-24", said, 5, 0)}), kMine)));
  CHECK_FALSE(planReservation(pictureOf({entry("subnets/10.5.3.0-24", said)}), kMine));  // it has another
  CHECK_FALSE(planReservation(pictureOf({}), Lease{.node = "node1", .subnet = kMine.subnet}));
}

TEST_CASE("a release takes away what is there") {
  const auto erased =
      planRelease(pictureOf({entry("subnets/10.5.1.0-24", valueOf("10.0.0.1"))}), *kMine.subnet);
  REQUIRE(erased);
  CHECK(erased->key.empty());
  CHECK(erased->erased == "/p/subnets/10.5.1.0-24");
  CHECK(planRelease(pictureOf({}), *kMine.subnet).error().kind == Error::Kind::missing);
}

TEST_CASE("changes are folded in, whichever way they come") {
  Picture picture = pictureOf({entry("config", R"({"Network":"10.5.0.0/16"})")});
  const Write write{.key = "/p/subnets/10.5.1.0-24", .value = valueOf("10.0.0.1"), .lease = kOurs};
  picture.apply(write, 12);  // the answer to our own write, before etcd tells of it
  REQUIRE(picture.find(write.key) != nullptr);
  CHECK(picture.find(write.key)->created == 12);
  const KeyValue told{.key = write.key, .value = write.value, .created = 12, .revision = 12, .lease = kOurs};
  CHECK_FALSE(picture.apply({.revision = 12, .events = {{.entry = told}}}));
  const KeyValue gone{.key = write.key, .value = {}, .revision = 13};
  KeyValue again = told;
  again.created = again.revision = 14;
  CHECK(picture.apply({.revision = 14, .events = {{.entry = gone, .deleted = true}, {.entry = again}}}));
  CHECK(picture.find(write.key)->created == 14);
  KeyValue last = gone;
  last.revision = 15;
  CHECK(picture.apply({.revision = 15, .events = {{.entry = last, .deleted = true}}}));
  CHECK_FALSE(picture.apply({.revision = 15, .events = {{.entry = last, .deleted = true}}}));
  picture.apply(write, 12);  // late: it is known already that this was not the last
  CHECK(picture.find(write.key) == nullptr);

  std::set<std::string> unreadable;
  const auto kept = Picture::parse("/p", picture.toJson());
  REQUIRE(kept);
  CHECK(kept->cluster(unreadable).value() == picture.cluster(unreadable).value());
  CHECK_FALSE(Picture::parse("/other", picture.toJson()));
}

TEST_CASE("rivals are those of one name or address, and the first has it") {
  const auto node = [](const std::string& key, const std::string& name, const std::string& address,
                       int created) {
    return KeyValue{.key = "/p/twill/nodes/" + key,
                    .value = fmt::format(R"({{"Node":"{}","PublicIP":"{}"}})", name, address),
                    .created = created,
                    .revision = created};
  };
  const Picture picture =
      pictureOf({node("b", "node2", "10.0.0.1", 4),
                 node("a", "node1", "10.0.0.1", 3),
                 node("c", "node3", "10.0.0.3", 5),
                 node("d", "node3", "10.0.0.4", 6),
                 {.key = "/p/twill/nodes/e", .value = "[]", .created = 1, .revision = 1}});
  const Registry& registry = picture.registry();
  CHECK(registry.nodeAt(kMine) == "node1");
  CHECK(registry.nodeAt(leaseOf("10.5.2.0/24", "10.0.0.9")).empty());
  const auto* second = registry.find("/p/twill/nodes/b");
  REQUIRE(second != nullptr);
  CHECK(registry.rivalsOf(*second).size() == 1);
  const auto rivalries = registry.rivalries();
  REQUIRE(rivalries.size() == 2);
  CHECK(rivalries[0].find("as 10.0.0.1: node1 (10.0.0.1) and node2 (10.0.0.1)") != std::string::npos);
  CHECK(rivalries[1].find("as node3: node3 (10.0.0.3) and node3 (10.0.0.4)") != std::string::npos);

  const Write here = registrationOf(kMine, "machine", picture.registryPrefix());
  CHECK(here.key != registrationOf(kMine, "other", picture.registryPrefix()).key);
  CHECK(here.value == R"({"Node":"node1","PublicIP":"10.0.0.1"})");
  Lease udp = kMine;
  udp.backendType = "udp";
  udp.backendData = R"({"PartialChecksums":true})";
  CHECK(
      registrationOf(udp, "machine", picture.registryPrefix()).value ==
      R"({"Node":"node1","PublicIP":"10.0.0.1","BackendType":"udp","BackendData":{"PartialChecksums":true}})");
}
