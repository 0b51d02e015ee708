// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <stdlib.h>

namespace twill::test {

/// A directory for the files of one case, gone with it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() { REQUIRE(::mkdtemp(name_.data()) != nullptr); }
  ~TemporaryDirectory() { std::filesystem::remove_all(name_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return name_; }
  [[nodiscard]] std::string path(const std::string& name) const { return name_ + "/" + name; }

 private:
  std::string name_ = (std::filesystem::temp_directory_path() / "twill-test.XXXXXX").string();
};

}  // namespace twill::test
