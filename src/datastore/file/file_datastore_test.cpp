// SPDX-License-Identifier: Apache-2.0
#include "datastore/file/file_datastore.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <boost/asio/post.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/lock.hpp"
#include "datastore/file/cluster_files.hpp"
#include "datastore_conformance.hpp"
#include "temporary_directory.hpp"

using namespace twill;
using namespace twill::datastore_conformance;
namespace fs = std::filesystem;

namespace {

/// A directory of its own with a network config; gone afterwards.
class FileStore : public OutsideStore {
 public:
  FileStore() {
    fs::create_directory(directory);
    setNetwork(kNetwork);
  }

  std::unique_ptr<Datastore> open(boost::asio::io_context& loop, int /*node*/) override {
    return std::make_unique<FileDatastore>(loop, FileDatastoreOptions{directory.string()});
  }
  void setNetwork(const std::string& netConf) override { write("net-conf.json", netConf); }
  std::string fingerprint() override {
    struct stat status {};
    if (::stat((directory / "leases.json").c_str(), &status) != 0) return "missing";
    return fmt::format("{} {} {}", status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  void spoil() override {
    good_ = read("leases.json");
    write("leases.json", good_.substr(0, good_.size() / 2));
  }
  void mend() override { write("leases.json", good_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory / name, std::ios::trunc) << text;
  }
  std::string read(const std::string& name) {
    return readFile((directory / name).string()).value_or("unreadable");
  }

  test::TemporaryDirectory temporary;
  fs::path root = temporary.path();
  fs::path directory = root / "cluster";

 private:
  std::string good_;
};

/// `count` processes that each publish `times` times; all must succeed.
void publishFromProcesses(const fs::path& directory, int count, int times) {
  std::vector<pid_t> children;
  for (int node = 1; node <= count; ++node) {
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    boost::asio::io_context loop;
    FileDatastore datastore(loop, {directory.string()});
    bool good = true;
    for (int i = 0; i < times; ++i) {
      datastore.publish(lease(node, 100 * i + node),
                        [&](const Result<void>& result) { good = good && result; });
      loop.run();
      loop.restart();
    }
    ::_exit(good ? 0 : 1);
  }
  for (pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}

/// What the watcher was told last, in a form that is quick to compare.
std::string lastTold(const Node& node) {
  if (node.told.empty()) return "nothing";
  return node.told.back() ? fmt::format("{} leases", node.told.back()->leases.size())
                          : node.told.back().error().text;
}

}  // namespace

TEST_CASE("the file datastore keeps the rules of all datastores") {
  const auto check = [](const auto& rule) {
    SUBCASE(rule.name) {
      FileStore store;
      rule.check(store);
    }
  };
  std::for_each(kRules.begin(), kRules.end(), check);
  std::for_each(kOutsideRules.begin(), kOutsideRules.end(), check);
}

TEST_CASE("nodes that publish at the same time from several processes lose nothing") {
  FileStore store;
  publishFromProcesses(store.directory, 8, 5);
  ClusterFiles files(store.directory.string());
  REQUIRE(files.refresh());
  auto leases = files.cluster().leases;
  std::sort(leases.begin(), leases.end());
  REQUIRE(leases.size() == 8);
  for (int node = 1; node <= 8; ++node)
    CHECK(leases[static_cast<std::size_t>(node - 1)] == lease(node, 400 + node));
}

TEST_CASE("a process killed while it publishes leaves the old file or the new one, and no litter for long") {
  FileStore store;
  std::vector<Lease> many;
  for (int i = 2; i < 1500; ++i) {
    many.push_back(lease(i, 0));
    many.back().subnet = Prefix::parse("172.16.0.0/16")->subnet(30, static_cast<std::uint64_t>(i));
  }
  store.write("leases.json", toJson(many));
  for (int round = 0; round < 40; ++round) {
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ClusterFiles files(store.directory.string());
      for (int i = 0;; ++i) {
        Lease mine = lease(1, 0);
        mine.subnet = Prefix::parse("172.16.255.0/24")->subnet(30, static_cast<std::uint64_t>(i % 64));
        (void)files.publish(mine);
      }
    }
    ::usleep(static_cast<useconds_t>(2000 + round * 700));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    auto leases = parseLeases(store.read("leases.json"));
    REQUIRE(leases);
    CHECK(std::count_if(leases->begin(), leases->end(), [](const Lease& l) { return l.node != "node1"; }) ==
          1498);
  }
  REQUIRE(ClusterFiles(store.directory.string()).publish(lease(1, 200)));
  auto isLitter = [](const fs::directory_entry& entry) { return entry.path().extension() == ".tmp"; };
  CHECK(std::none_of(fs::directory_iterator(store.directory), fs::directory_iterator(), isLitter));
}

TEST_CASE("a missing network config is said with an example, and taken when it comes") {
  FileStore store;
  fs::remove(store.directory / "net-conf.json");
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.failed(); }));
  std::string text = lastTold(node);
  CHECK(text.find((store.directory / "net-conf.json").string() + " is missing") != std::string::npos);
  auto example = text.substr(text.find('{'));
  CHECK(parseNetworkConfig(example));
  store.setNetwork(kNetwork);
  CHECK(runUntil(loop, [&] { return node.sees({}); }));
}

TEST_CASE("an error names file, entry and key") {
  FileStore store;
  store.write("leases.json", R"({"Leases":[{"Node":"node1","Subnet":"172.16.0.0"}]})");
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.failed(); }));
  CHECK(lastTold(node).find((store.directory / "leases.json").string() + ": Leases[0] (node1): Subnet is") ==
        0);
}

TEST_CASE("editors that write aside, rename, or take the file away for a moment cause no error") {
  FileStore store;
  store.write("leases.json", toJson(std::vector{lease(1, 1)}));
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.sees({lease(1, 1)}); }));
  auto path = store.directory / "leases.json";

  store.write(".leases.json.swp", toJson(std::vector{lease(1, 2)}));
  fs::rename(store.directory / ".leases.json.swp", path);
  CHECK(runUntil(loop, [&] { return node.sees({lease(1, 2)}); }));

  fs::rename(path, store.directory / "leases.json~");
  loop.restart();
  loop.run_for(std::chrono::milliseconds(20));
  store.write("leases.json", toJson(std::vector{lease(1, 3)}));
  CHECK(runUntil(loop, [&] { return node.sees({lease(1, 3)}); }));
  CHECK(std::all_of(node.told.begin(), node.told.end(), [](const auto& told) { return told.has_value(); }));
}

TEST_CASE("the same leases in another writing are no news") {
  FileStore store;
  store.write("leases.json", R"({"Leases":[{"Node":"n1","PublicIP":"10.0.0.1"}]})");
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return lastTold(node) == "1 leases"; }));
  store.write("leases.json", R"({ "leases": [ {"publicip": "10.0.0.1", "Node": "n1", "x": 1} ] })");
  runQuietly(loop);
  CHECK(node.told.size() == 1);
}

TEST_CASE("a list that is removed leaves the last one in force") {
  FileStore store;
  store.write("leases.json", toJson(std::vector{lease(1, 1)}));
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.sees({lease(1, 1)}); }));
  fs::remove(store.directory / "leases.json");
  REQUIRE(runUntil(loop, [&] { return node.failed(); }));
  CHECK(lastTold(node).find("leases.json is gone") != std::string::npos);
  store.write("leases.json", R"({"Leases": []})");
  CHECK(runUntil(loop, [&] { return node.sees({}); }));
}

TEST_CASE("the directory may come late, be replaced, renamed and come back") {
  FileStore store;
  fs::path away = store.root / "away";
  fs::rename(store.directory, away);
  boost::asio::io_context loop;
  store.directory = store.root / "a" / "b" / "cluster";
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.failed(); }));
  fs::create_directories(store.directory.parent_path());
  fs::rename(away, store.directory);
  REQUIRE(runUntil(loop, [&] { return node.sees({}); }));

  fs::rename(store.root / "a", away);
  REQUIRE(runUntil(loop, [&] { return node.failed(); }));
  fs::create_directories(store.directory);
  store.setNetwork(kNetwork);
  store.write("leases.json", toJson(std::vector{lease(2, 2)}));
  REQUIRE(runUntil(loop, [&] { return node.sees({lease(2, 2)}); }));

  fs::remove_all(store.directory);
  REQUIRE(runUntil(loop, [&] { return node.failed(); }));
  fs::create_directories(store.directory);
  store.setNetwork(kNetwork);
  store.write("leases.json", toJson(std::vector{lease(3, 3)}));
  CHECK(runUntil(loop, [&] { return node.sees({lease(3, 3)}); }));
}

TEST_CASE("files behind a link that is swapped, as Kubernetes mounts a ConfigMap, are followed") {
  FileStore store;
  fs::path mount = store.root / "mount";
  auto version = [&](const std::string& name, const std::vector<Lease>& leases) {
    fs::create_directories(mount / name);
    std::ofstream(mount / name / "net-conf.json") << kNetwork;
    std::ofstream(mount / name / "leases.json") << toJson(leases);
    fs::create_symlink(name, mount / "..data_tmp");
    fs::rename(mount / "..data_tmp", mount / "..data");
  };
  version("..v1", {lease(1, 1)});
  fs::create_symlink("..data/net-conf.json", mount / "net-conf.json");
  fs::create_symlink("..data/leases.json", mount / "leases.json");
  store.directory = mount;
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.sees({lease(1, 1)}); }));
  version("..v2", {lease(1, 2)});
  CHECK(runUntil(loop, [&] { return node.sees({lease(1, 2)}); }));
}

TEST_CASE("a directory that is reached through a link and goes is missed") {
  FileStore store;
  fs::create_symlink("cluster", store.root / "link");
  fs::path real = std::exchange(store.directory, store.root / "link");
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.sees({}); }));
  fs::rename(real, store.root / "away");
  CHECK(runUntil(loop, [&] { return node.failed(); }));
}

TEST_CASE("who else waits for the loop is not kept waiting while something is written") {
  FileStore store;
  boost::asio::io_context loop;
  FileDatastore datastore(loop, {store.directory.string()});
  bool published = false;
  bool waited = true;
  datastore.publish(lease(1, 1), [&](const Result<void>& result) { published = result.has_value(); });
  boost::asio::post(loop, [&] { waited = published; });
  REQUIRE(runUntil(loop, [&] { return published; }));
  CHECK_FALSE(waited);
}

TEST_CASE("many quick rewrites end with the last one") {
  FileStore store;
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  for (int i = 0; i < 2000; ++i) {
    store.write("leases.json", toJson(std::vector{lease(1, i % 256)}));
    if (i % 16 == 0) loop.poll();
  }
  CHECK(runUntil(loop, [&] { return node.sees({lease(1, 1999 % 256)}); }));
  CHECK(std::all_of(node.told.begin(), node.told.end(), [](const auto& told) { return told.has_value(); }));
}

TEST_CASE(
    "where nothing can be written, a lease that is there is fine and another is given as a line to add") {
  FileStore store;
  store.write("leases.json", toJson(std::vector{lease(1, 1)}));
  fs::permissions(store.directory, fs::perms(0555));
  // Root may write anywhere, so that the test steps down to nobody.
  bool root = ::geteuid() == 0;
  fs::permissions(store.root, fs::perms(0755));
  REQUIRE((!root || ::seteuid(65534) == 0));
  ClusterFiles files(store.directory.string());
  auto same = files.publish(lease(1, 1));
  auto other = files.publish(lease(1, 2));
  REQUIRE((!root || ::seteuid(0) == 0));
  CHECK(same);
  REQUIRE_FALSE(other);
  std::string text = other.error().text;
  CHECK(text.find((store.directory / "leases.json").string()) == 0);
  CHECK(text.find("Permission denied") != std::string::npos);
  auto line = text.substr(text.find('{'));
  CHECK(*parseLeases("{\"Leases\":[" + line + "]}") == std::vector{lease(1, 2)});
  CHECK(*parseLeases(store.read("leases.json")) == std::vector{lease(1, 1)});
}

TEST_CASE("a pipe in place of a file is an error, not a wait") {
  FileStore store;
  REQUIRE(::mkfifo((store.directory / "leases.json").c_str(), 0644) == 0);
  auto read = ClusterFiles(store.directory.string()).refresh();
  REQUIRE_FALSE(read);
  CHECK(read.error().text.find("leases.json: empty") != std::string::npos);
}

TEST_CASE("a lock that stays taken is said with its holder's number") {
  FileStore store;
  auto lock = takeLock((store.directory / ".lock").string());
  REQUIRE(lock);
  auto answer = ClusterFiles(store.directory.string()).publish(lease(1, 1));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().kind == Error::Kind::busy);
  CHECK(answer.error().text.find(std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("a list that is a link is written where it points to") {
  FileStore store;
  std::ofstream(store.root / "elsewhere.json") << "{\"Leases\": []}";
  fs::create_symlink("../elsewhere.json", store.directory / "leases.json");
  REQUIRE(ClusterFiles(store.directory.string()).publish(lease(1, 1)));
  CHECK(fs::is_symlink(store.directory / "leases.json"));
  CHECK(*parseLeases(store.read("leases.json")) == std::vector{lease(1, 1)});
}

TEST_CASE("the examples that are shipped make a sound cluster") {
  fs::path examples = fs::path(TWILL_SOURCE_DIR) / "packaging/examples";
  ClusterFiles files(examples.string());
  auto read = files.refresh();
  if (!read) FAIL(read.error().text);
  CHECK(files.cluster().leases.size() == 3);
  CHECK(makeSound(files.cluster()).conflicts.empty());
}

TEST_CASE("one lease changed among ten thousand is told soon") {
  FileStore store;
  store.setNetwork(R"({"Network":"10.0.0.0/8","Backend":{"Type":"host-gw"}})");
  std::vector<Lease> leases;
  for (int i = 0; i < 10000; ++i) {
    leases.push_back(lease(i, 0));
    leases.back().subnet = Prefix::parse("10.0.0.0/8")->subnet(24, static_cast<std::uint64_t>(i));
  }
  store.write("leases.json", toJson(leases));
  boost::asio::io_context loop;
  Node node(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return node.told.size() == 1; }));
  leases[5000].publicIp = *IpAddress::parse("10.9.9.9");
  std::string text = toJson(leases);
  store.write("leases.json", text);
  auto start = std::chrono::steady_clock::now();
  REQUIRE(runUntil(loop, [&] { return node.told.size() == 2; }));
  auto milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  CHECK(node.sees(leases));
  CHECK(milliseconds < 2000);  // 4.4 ms where it was measured; sanitizers and busy machines need more
}

TEST_CASE("people reserve and release subnets, and put another config in place") {
  FileStore store;
  const ClusterFiles files(store.directory.string());
  Lease wanted = lease(1, 1);
  wanted.backendType = wanted.backendData = "";
  REQUIRE(files.reserve(wanted));
  REQUIRE(files.publish(lease(1, 1)));  // its node comes, and says what it is
  const std::string said = store.read("leases.json");
  CHECK(said.find("VNI") != std::string::npos);
  CHECK(files.reserve(wanted));
  CHECK(store.read("leases.json") == said);

  Lease another = wanted;
  another.subnet = lease(1, 2).subnet;
  for (const Lease& wrong : {another, lease(2, 1)}) {
    const auto refused = files.reserve(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == Error::Kind::conflict);
    CHECK(refused.error().text.find("node1") != std::string::npos);
  }
  CHECK(store.read("leases.json") == said);

  REQUIRE(files.reserve(lease(2, 2)));
  REQUIRE(files.release(*wanted.subnet));
  CHECK(parseLeases(store.read("leases.json")).value() == std::vector{lease(2, 2)});
  CHECK(files.release(*wanted.subnet).error().kind == Error::Kind::missing);

  const std::string other = R"({"Network":"10.0.0.0/8"})";
  REQUIRE(files.configure(other));
  CHECK(files.config() == other);
  fs::remove(store.directory / "net-conf.json");
  CHECK(files.config().error().kind == Error::Kind::missing);
}
