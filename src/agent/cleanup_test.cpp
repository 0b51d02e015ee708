// SPDX-License-Identifier: Apache-2.0
#include "agent/cleanup.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

using namespace twill;
namespace fs = std::filesystem;

TEST_CASE("cleanup removes the files that the agent made, and directories only when they are empty then") {
  std::string directory = fs::temp_directory_path() / "twill-cleanup-XXXXXX";
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  const fs::path base = directory;
  fs::create_directories(base / "state/attachments");
  fs::create_directories(base / "run/theirs");
  for (const char* name :
       {"state/attachments/net:c1:eth0.json", "state/attachments/net:c2:eth0.json.broken",
        "state/attachments/net:c3:eth0.json.77.tmp", "state/attachments/last_reserved.net.v4",
        "run/twill.sock", "run/twilld.lock", "run/subnet.env", "run/subnet.env.77.tmp", "run/theirs/data"}) {
    std::ofstream(base / name) << "x";
  }
  const Options options{
      .runDir = base / "run", .stateDir = base / "state", .subnetFile = base / "run/subnet.env"};
  REQUIRE(removeFiles(options));
  CHECK_FALSE(fs::exists(base / "state"));
  CHECK(fs::exists(base / "run/theirs/data"));
  CHECK(std::distance(fs::directory_iterator(base / "run"), fs::directory_iterator()) == 1);

  fs::remove_all(base / "run/theirs");
  CHECK(removeFiles(options));
  CHECK_FALSE(fs::exists(base / "run"));
  CHECK(removeFiles(options));  // nothing is left: that is well
  fs::remove_all(base);
}
