// SPDX-License-Identifier: Apache-2.0
#include "datastore/file/directory_watch.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <string_view>

#include <sys/inotify.h>

namespace twill {
namespace {

/// A file was written, put in place by rename, taken away, or given other rights. Not IN_CREATE or IN_MODIFY:
/// a file that is still being written is of no use yet.
constexpr std::uint32_t kFiles = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB;
/// A directory on the way was made, renamed or removed.
constexpr std::uint32_t kPath = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;

/// ".lock" and files written aside are no news. "..data" is: Kubernetes swaps a mounted ConfigMap by renaming
/// that link.
bool isNoise(std::string_view name) {
  return (name.size() > 1 && name[0] == '.' && name[1] != '.') || name.ends_with(".tmp");
}

}  // namespace

DirectoryWatch::DirectoryWatch(Fd inotify, std::string directory)
    : inotify_(std::move(inotify)), directory_(std::move(directory)) {}

Result<DirectoryWatch> DirectoryWatch::open(const std::string& directory) {
  Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return failErrno("inotify (is fs.inotify.max_user_instances too low?)");
  std::error_code relative;  // without a current directory the path stays as it was given
  auto absolute = std::filesystem::absolute(directory, relative);
  DirectoryWatch watch(std::move(inotify), relative ? directory : absolute.lexically_normal().string());
  watch.arm();
  return watch;
}

void DirectoryWatch::arm() {
  for (const auto& [descriptor, name] : watches_) ::inotify_rm_watch(inotify_.get(), descriptor);
  watches_.clear();
  std::filesystem::path all(directory_);
  std::filesystem::path path;
  for (auto part = all.begin(); part != all.end();) {
    path /= *part++;
    std::string next = part == all.end() ? std::string() : part->string();
    std::uint32_t events = IN_ONLYDIR | IN_MASK_ADD | kSelf | (next.empty() ? kFiles : kPath);
    int descriptor = ::inotify_add_watch(inotify_.get(), path.c_str(), events);
    if (descriptor < 0) return;  // the directory that was reached last says when there is more
    watches_[descriptor] = next;
  }
}

bool DirectoryWatch::drain() {
  bool changed = false;
  bool moved = false;
  alignas(inotify_event) std::array<char, 16384> buffer{};
  for (ssize_t n = 0; (n = ::read(inotify_.get(), buffer.data(), buffer.size())) > 0;) {
    inotify_event event{};
    for (const char* at = buffer.data(); at < buffer.data() + n; at += sizeof event + event.len) {
      std::memcpy(&event, at, sizeof event);
      std::string_view name = event.len == 0 ? "" : at + sizeof event;
      auto watch = watches_.find(event.wd);
      bool lost = (event.mask & IN_Q_OVERFLOW) != 0;
      if (watch == watches_.end() && !lost) continue;  // left over from before the last arm()
      if (lost || (event.mask & kSelf) != 0) moved = true;
      if (lost) continue;
      if (watch->second.empty()) {
        changed = changed || ((event.mask & kFiles) != 0 && !isNoise(name));
      } else if (name == watch->second) {
        moved = true;
      }
    }
  }
  if (moved) arm();
  return changed || moved;
}

}  // namespace twill
