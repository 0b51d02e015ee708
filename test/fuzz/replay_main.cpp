// SPDX-License-Identifier: Apache-2.0
// Stands in for libFuzzer's main() where the compiler has none: feeds every file, or every file of a
// directory, that the command line names to the fuzz target once. Exit status 2 when there was nothing to
// feed, so that a corpus that moved away is noticed.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> inputsOf(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  return files;
}

bool replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) {
    std::cerr << path << ": cannot be read\n";
    return false;
  }
  std::cout << path.string() << std::endl;  // flushed: the last line names the input that crashed
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (const std::filesystem::path path : std::vector<const char*>(argv + 1, argv + argc)) {
    for (const auto& input : inputsOf(path)) {
      if (!replay(input)) return 2;
      ++count;
    }
  }
  std::cout << count << " inputs\n";
  return count == 0 ? 2 : 0;
}
