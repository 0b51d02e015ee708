// SPDX-License-Identifier: Apache-2.0
#include "datastore/file/cluster_files.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/lock.hpp"
#include "datastore/file/lease_edit.hpp"

namespace twill {
namespace {

constexpr std::string_view kExample = R"({"Network": "10.244.0.0/16", "Backend": {"Type": "host-gw"}})";

constexpr std::string_view kNoLeases = R"({"Leases": []})";

bool isMissing(const Result<std::string>& read) {
  return !read && read.error().kind == Error::Kind::missing;
}

Failure unreadable(Error error) {
  if (error.code == EACCES) error.text += "; let the user that runs twilld read it";
  return Failure(std::move(error));
}

/// Files that a process left behind which died while it wrote. Nobody writes now: we hold the lock.
void removeLeftovers(const std::filesystem::path& written) {
  std::error_code ignored;  // they do no harm
  std::string start = written.filename().string() + ".";
  for (const auto& entry : std::filesystem::directory_iterator(written.parent_path(), ignored)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with(start) && name.ends_with(".tmp")) std::filesystem::remove(entry.path(), ignored);
  }
}

/// In one step and for good. The lock is held.
Result<void> replace(const std::string& path, const std::string& text) {
  std::error_code missing;  // a link is followed, not replaced; a file that is not there yet is no link
  auto target = std::filesystem::canonical(path, missing);
  if (missing) target = path;
  removeLeftovers(target);
  return writeFile(target.string(), text, Durability::power);
}

/// But for names that a person may leave out.
bool isThere(const std::string& text, const Lease& mine) {
  const auto leases = parseLeases(text);
  return leases &&
         std::any_of(leases->begin(), leases->end(), [&](const Lease& entry) { return says(entry, mine); });
}

}  // namespace

ClusterFiles::ClusterFiles(std::string directory)
    : network_{.path = directory + "/net-conf.json"},
      leases_{.path = directory + "/leases.json"},
      lockPath_(std::move(directory) + "/.lock") {}

Result<bool> ClusterFiles::refresh() {
  auto network = refreshNetwork();
  auto leases = refreshLeases();  // in any case, so that it is ready once the network config is mended
  if (!network) return Failure(std::move(network).error());
  if (!leases) return Failure(std::move(leases).error());
  return std::exchange(changed_, false);
}

/// Parses `text`, unless that is what was parsed last: then its error is given again.
template <class Value, class Parse>
Result<void> ClusterFiles::take(std::string text, Source<Value>& source, Parse parse) {
  if (text != source.text) {
    auto parsed = parse(text);
    source.text = std::move(text);
    source.error.reset();
    if (!parsed) {
      source.error = std::move(parsed).error().in(source.path);
    } else if (*parsed != source.value) {
      source.value = std::move(*parsed);
      changed_ = true;
    }
  }
  return source.error ? Result<void>(Failure(*source.error)) : Result<void>{};
}

Result<std::string> ClusterFiles::config() const {
  auto read = readFile(network_.path);
  if (isMissing(read)) {
    return fail(fmt::format("{} is missing; write the network's config into it, for example {}",
                            network_.path, kExample),
                Error::Kind::missing);
  }
  if (!read) return unreadable(std::move(read).error());
  return read;
}

Result<void> ClusterFiles::refreshNetwork() {
  TWILL_TRY(std::string text, config());
  return take(std::move(text), network_, parseNetworkConfig);
}

Result<void> ClusterFiles::refreshLeases() {
  auto read = readFile(leases_.path);
  if (isMissing(read)) {
    if (!leases_.text) return {};  // the first node will make it
    return fail(
        fmt::format("{} is gone; put it back, or write {{\"Leases\": []}} if no node shall have a subnet",
                    leases_.path),
        Error::Kind::missing);
  }
  if (!read) return unreadable(std::move(read).error());
  return take(std::move(*read), leases_, parseLeases);
}

/// Empty where there is none yet.
Result<std::string> ClusterFiles::leasesText() const {
  auto text = readFile(leases_.path);
  if (isMissing(text)) return std::string();
  if (!text) return unreadable(std::move(text).error());
  return text;
}

Result<void> ClusterFiles::publish(const Lease& mine) const {
  auto lock = takeLock(lockPath_);
  if (!lock && lock.error().kind == Error::Kind::busy) return Failure(std::move(lock).error());
  TWILL_TRY(const std::string text, leasesText());
  auto edited = withLease(text, mine);
  if (!edited) return Failure(std::move(edited).error().in(leases_.path));
  if (!*edited) return {};
  auto written = lock ? replace(leases_.path, **edited) : Result<void>(Failure(lock.error()));
  if (written || isThere(text, mine)) return {};
  return fail(fmt::format("{}: cannot be written ({}); put this line into its list: {}", leases_.path,
                          written.error().text, toJson(mine)),
              written.error().kind);
}

Result<void> ClusterFiles::reserve(const Lease& lease) const {
  TWILL_TRY(const std::string text, leasesText());
  TWILL_TRY(const std::vector<Lease> leases, parseLeases(text.empty() ? kNoLeases : text));
  for (const Lease& there : leases) {
    if (!there.isOf(lease.node, lease.publicIp, lease.publicIp6) || (!there.subnet && !there.subnet6))
      continue;
    if (there.subnet == lease.subnet && there.subnet6 == lease.subnet6) return {};
    return fail(
        fmt::format("{} has another lease: {}; release that first", lease.name(), twill::toJson(there)),
        Error::Kind::conflict);
  }
  return publish(lease);
}

Result<void> ClusterFiles::release(const Prefix& subnet) const {
  TWILL_TRY(const Fd lock, takeLock(lockPath_));
  TWILL_TRY(const std::string text, leasesText());
  auto edited = withoutLease(text, subnet);
  if (!edited) return Failure(std::move(edited).error().in(leases_.path));
  if (!*edited)
    return fail(fmt::format("{} has no lease of {}", leases_.path, subnet.text()), Error::Kind::missing);
  return replace(leases_.path, **edited);
}

Result<void> ClusterFiles::configure(const std::string& text) const {
  TWILL_TRY(const Fd lock, takeLock(lockPath_));
  return replace(network_.path, text);
}

}  // namespace twill
