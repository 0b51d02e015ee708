// SPDX-License-Identifier: Apache-2.0
// Runs a CNI plugin as a runtime does, again and again, and prints how many ms each call took, from spawn to
// reaped, one a line. What a call needs is made before its clock starts.
//
// usage: cni_driver ADD|DEL PLUGIN CONFIG NETNS-DIR FIRST COUNT PARALLEL
//
// CONFIG is a file; @N@ in it is the call's number, in four digits. Container N is called cN and its
// namespace NETNS-DIR/cN. The rest of the environment is the driver's own.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct Run {
  std::string verb;
  std::string plugin;
  std::string config;
  std::string netnsDir;
  int first = 0;
  int count = 0;
  int parallel = 1;
};

[[noreturn]] void giveUp(const std::string& text) {
  std::fprintf(stderr, "cni_driver: %s\n", text.c_str());
  std::exit(1);
}

int memoryFile(const std::string& content) {
  const int fd = ::memfd_create("cni", MFD_CLOEXEC);
  if (fd < 0 || ::pwrite(fd, content.data(), content.size(), 0) < 0) giveUp("cannot make a file in memory");
  return fd;
}

std::string contentOf(int fd) {
  std::string text(4096, '\0');
  const auto size = ::pread(fd, text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

std::string withNumber(std::string text, const std::string& number) {
  const std::string mark = "@N@";
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark))
    text.replace(at, mark.size(), number);
  return text;
}

/// Own variables, then those of the call.
std::vector<std::string> environmentOf(const Run& run, const std::string& container) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  out.push_back("CNI_COMMAND=" + run.verb);
  out.push_back("CNI_CONTAINERID=" + container);
  out.push_back("CNI_NETNS=" + run.netnsDir + "/" + container);
  out.emplace_back("CNI_IFNAME=eth0");
  out.push_back("CNI_PATH=" + run.plugin.substr(0, run.plugin.rfind('/')));
  return out;
}

double call(const Run& run, int number) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%04d", number);
  const std::string container = std::string("c") + digits;
  auto environment = environmentOf(run, container);
  std::vector<char*> variables;
  for (auto& variable : environment) variables.push_back(variable.data());
  variables.push_back(nullptr);
  std::string program = run.plugin;
  char* arguments[] = {program.data(), nullptr};
  const int in = memoryFile(withNumber(run.config, digits));
  const int out = memoryFile("");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);

  pid_t child = 0;
  int status = 0;
  const auto begin = std::chrono::steady_clock::now();
  if (::posix_spawn(&child, program.c_str(), &files, nullptr, arguments, variables.data()) != 0)
    giveUp("cannot run " + program);
  if (::waitpid(child, &status, 0) != child) giveUp("cannot wait for " + program);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;

  if (status != 0) giveUp(run.verb + " of " + container + " failed: " + contentOf(out));
  posix_spawn_file_actions_destroy(&files);
  ::close(in);
  ::close(out);
  return took.count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) giveUp("usage: cni_driver ADD|DEL PLUGIN CONFIG NETNS-DIR FIRST COUNT PARALLEL");
  std::ifstream file(argv[3]);
  if (!file) giveUp(std::string("cannot read ") + argv[3]);
  const Run run{.verb = argv[1],
                .plugin = argv[2],
                .config = {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()},
                .netnsDir = argv[4],
                .first = std::atoi(argv[5]),
                .count = std::atoi(argv[6]),
                .parallel = std::atoi(argv[7])};
  std::vector<double> times(static_cast<std::size_t>(run.count));
  std::atomic<int> next = 0;
  auto work = [&] {
    for (int i = next++; i < run.count; i = next++)
      times[static_cast<std::size_t>(i)] = call(run, run.first + i);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < run.parallel; ++i) others.emplace_back(work);
  work();
  for (auto& other : others) other.join();
  for (const double time : times) std::printf("%.4f\n", time);
}
