// SPDX-License-Identifier: Apache-2.0
#include "attach/attachments.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "attach/container_routes.hpp"
#include "attach/host_local.hpp"
#include "base/file.hpp"
#include "kernel/netns.hpp"

namespace twill {
namespace {

/// Longer keys would not fit a file name (NAME_MAX is 255).
constexpr std::size_t kLongestKey = 200;
constexpr std::string_view kSuffix = ".json";
constexpr std::string_view kBroken = ".broken";

/// 0a:58 and the IPv4 address, as the reference bridge plugin has it: neighbours see at once whose MAC it is.
MacAddress macFor(const Attachment& attachment) {
  for (const InterfaceAddress& address : attachment.addresses) {
    if (!address.address.isV4()) continue;
    auto bytes = address.address.bytes();
    return {{0x0a, 0x58, bytes[0], bytes[1], bytes[2], bytes[3]}};
  }
  return MacAddress::derive(attachment.key());
}

/// Which attachment a record is meant for, by the name of its file.
std::string keyOf(const std::string& path) {
  std::string name = std::filesystem::path(path).filename();
  name.resize(name.rfind(kSuffix));
  std::replace(name.begin(), name.end(), ':', '/');
  return name;
}

}  // namespace

Result<Attachments> Attachments::open(const std::string& stateDir) {
  Attachments attachments(stateDir + "/attachments");
  TWILL_CHECK(makeDirectories(attachments.directory_));
  TWILL_CHECK(attachments.load());
  return attachments;
}

Result<void> Attachments::load() {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory_, error);
  if (error) return failErrno("read " + directory_, error.value());
  for (const auto& entry : entries) {
    std::string path = entry.path();
    if (path.ends_with(kSuffix)) loadRecord(path);
    if (path.ends_with(std::string(kSuffix) + std::string(kBroken)))
      noteUnknown(path, keyOf(path), "set aside earlier");
    if (path.ends_with(".tmp")) std::filesystem::remove(path, error);  // of a writer that was killed
  }
  std::erase_if(unknown_, [&](const auto& entry) { return all_.contains(entry.first); });
  return {};
}

void Attachments::loadRecord(const std::string& path) {
  auto text = readFile(path, 1U << 20U);
  if (!text && text.error().kind != Error::Kind::invalid) {
    // Perhaps the disk or a right is missing for a while; the next start may read it.
    if (text.error().kind != Error::Kind::missing) noteUnknown(path, keyOf(path), text.error().text);
    return;
  }
  auto attachment = text ? parseAttachment(*text) : Result<Attachment>(Failure(text.error()));
  if (!attachment || recordPath(attachment->key()) != path) {
    std::string why = attachment ? "it belongs to " + attachment->key() : attachment.error().text;
    std::string broken = path + std::string(kBroken);
    std::error_code failed;
    std::filesystem::rename(path, broken, failed);
    noteUnknown(failed ? path : broken, keyOf(path), "set aside: " + why);
    return;
  }
  for (const auto& address : attachment->addresses) taken_[address.address] = attachment->key();
  ports_.take(*attachment);
  all_[attachment->key()] = std::move(*attachment);
}

void Attachments::noteUnknown(const std::string& path, const std::string& key, std::string why) {
  unknown_.try_emplace(key,
                       Unknown{.path = path, .hostIfname = hostInterfaceName(key), .why = std::move(why)});
}

std::vector<std::string> Attachments::warnings() const {
  std::vector<std::string> texts;
  for (const auto& [key, record] : unknown_) {
    texts.push_back(fmt::format(
        "{}: {}; interface {} of {} stays as it is, and its address may be given out again: restart the "
        "container, or remove the file if it is gone",
        record.path, record.why, record.hostIfname, key));
  }
  return texts;
}

Result<std::vector<ChosenAddress>> Attachments::choose(const AttachRequest& request,
                                                       const NodeNetwork& node) const {
  const auto isReserved = [&](const IpAddress& address) {
    return hostLocal::isReserved(request.hostLocalDir, request.network, address);
  };
  const auto lastReserved = [&](std::size_t pool) -> std::optional<IpAddress> {
    // A hint only: without it the search starts at the front.
    const auto text = readFile(lastReservedPath(request.network, pool), 64);
    if (!text) return std::nullopt;
    const auto address = IpAddress::parse(std::string_view(*text).substr(0, text->find('\n')));
    return address ? std::optional(*address) : std::nullopt;
  };
  TWILL_TRY(auto chosen, chooseAddresses(request, node, {taken_, isReserved, lastReserved}));
  TWILL_CHECK(checkMtu(request, node, chosen));
  return chosen;
}

/// Runtimes ask for a container's host ports on each of its networks: the first interface has them.
std::vector<PortMapping> Attachments::portsOf(const AttachRequest& request) const {
  std::vector<PortMapping> ports = request.ports;
  if (ports.empty()) return ports;
  for (const auto& entry : all_) {
    const std::vector<PortMapping>& held = entry.second.ports;
    if (entry.second.containerId != request.containerId || entry.first == request.key()) continue;
    std::erase_if(ports, [&](const PortMapping& port) {
      return std::find(held.begin(), held.end(), port) != held.end();
    });
  }
  return ports;
}

Result<Attachment> Attachments::prepare(const AttachRequest& request, const NodeNetwork& node) {
  std::string key = request.key();
  if (key.size() > kLongestKey) {
    return fail(fmt::format("{}: network, container and interface name have more than {} characters together",
                            key, kLongestKey),
                Error::Kind::invalid);
  }
  const Attachment* waiting = find(key);
  if (waiting != nullptr && (!waiting->addresses.empty() || !request.given || request.given->empty())) {
    return fail(fmt::format("container {} has an interface {} in network {} already; delete it first",
                            request.containerId, request.ifname, request.network),
                Error::Kind::exists);
  }
  if (auto record = unknown_.find(key); record != unknown_.end()) {
    return fail(
        fmt::format("container {} may have an interface {} already: its record {} says nothing; delete "
                    "the container first",
                    request.containerId, request.ifname, record->second.path),
        Error::Kind::exists);
  }
  Attachment attachment{.network = request.network,
                        .containerId = request.containerId,
                        .ifname = request.ifname,
                        .home = node.network,
                        .bridge = node.bridge,
                        .netns = request.netns,
                        .mode = request.mode,
                        .hostIfname = hostInterfaceName(key),
                        .hostMac = MacAddress::derive(key + "/host"),
                        .mtu = request.mtu.value_or(node.mtu),
                        .hairpin = request.hairpin,
                        .spoofGuard = request.spoofGuard,
                        .ports = portsOf(request),
                        .ingress = request.ingress,
                        .egress = request.egress};
  // One that cannot be opened is for the kernel room to refuse, in its own words.
  const auto netns = openNamespace(request.netns);
  if (netns) attachment.netnsId = namespaceId(*netns);
  TWILL_TRY(const auto chosen, choose(request, node));
  for (const ChosenAddress& one : chosen) {
    attachment.addresses.push_back(one.address);
    if (request.ipMasq && !node.holds(one.address.address)) {
      attachment.masqueraded.push_back(one.address.address);
    }
    addRoutes(request, one, attachment);
  }
  attachment.nodeIsGateway = request.nodeIsGateway;
  attachment.mac = waiting != nullptr ? waiting->mac : request.mac.value_or(macFor(attachment));

  TWILL_CHECK(ports_.check(attachment));
  TWILL_CHECK(writeFile(recordPath(key), toJson(attachment), Durability::process, 0600));
  ports_.take(attachment);
  for (std::size_t i = 0; i < attachment.addresses.size(); ++i) {
    const IpAddress& address = attachment.addresses[i].address;
    taken_[address] = key;
    if (request.given) continue;
    (void)overwriteLine(lastReservedPath(request.network, i), address.text());
  }
  return all_[key] = std::move(attachment);
}

Result<void> Attachments::hasRoom(const AttachRequest& request, const NodeNetwork& node) const {
  TWILL_CHECK(choose(request, node));
  return {};
}

Result<void> Attachments::checkRecord(const std::string& key) const {
  std::error_code error;
  if (std::filesystem::exists(recordPath(key), error)) return {};
  return fail(recordPath(key) +
              " is gone; restart the container, so that its address is not given out again");
}

Result<void> Attachments::remove(const std::string& key) {
  if (auto record = unknown_.find(key); record != unknown_.end()) {
    std::error_code error;
    std::filesystem::remove(record->second.path, error);
    if (error) return failErrno("delete " + record->second.path, error.value());
    unknown_.erase(record);
  }
  auto found = all_.find(key);
  if (found == all_.end()) return {};
  if (::unlink(recordPath(key).c_str()) != 0 && errno != ENOENT)
    return failErrno("delete " + recordPath(key));
  for (const auto& address : found->second.addresses) taken_.erase(address.address);
  ports_.release(found->second);
  all_.erase(found);
  return {};
}

void Attachments::releasePorts(const std::string& key) {
  if (const auto* attachment = find(key)) ports_.release(*attachment);
}

const Attachment* Attachments::find(const std::string& key) const {
  auto found = all_.find(key);
  return found == all_.end() ? nullptr : &found->second;
}

std::string Attachments::recordPath(const std::string& key) const {
  // CNI allows no ':' in any of the three names, so this is unambiguous.
  std::string name = key;
  std::replace(name.begin(), name.end(), '/', ':');
  return fmt::format("{}/{}{}", directory_, name, kSuffix);
}

std::string Attachments::lastReservedPath(const std::string& network, std::size_t pool) const {
  return fmt::format("{}/last_reserved.{}.{}", directory_, network, pool);
}

}  // namespace twill
