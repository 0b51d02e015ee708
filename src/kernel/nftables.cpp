// SPDX-License-Identifier: Apache-2.0
#include "kernel/nftables.hpp"

#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <malloc.h>
#include <nftables/libnftables.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel/firewall_text.hpp"
#include "kernel/set_elements.hpp"
#include "plan/compare.hpp"
#include "plan/network_names.hpp"

namespace twill {
namespace {

/// Room for the announcements of a transaction with some ten thousand elements.
constexpr int kMonitorBuffer = 8 << 20;
/// libnftables builds a tree of the whole table; above so much output the heap is handed back afterwards.
constexpr std::size_t kLargeListing = 64U << 10U;
/// More changes of elements at once than this are told as all that is known, not one by one.
constexpr std::size_t kMany = 1000;

/// "Error: <what>" and the line that it is about, of a message that goes on with a line of carets.
std::string firstError(std::string_view text) {
  const auto start = text.find("Error: ");
  if (start != std::string_view::npos) text.remove_prefix(start + 7);
  const auto end = text.find('\n');
  std::string out(text.substr(0, end));
  if (end == std::string_view::npos) return out;
  text.remove_prefix(end + 1);
  const auto line = text.substr(0, text.find('\n'));
  return line.empty() ? out : fmt::format("{}, at \"{}\"", out, line.substr(0, 200));
}

/// What the kernel says of who made a transaction: thread name and process id, that as the first namespace
/// numbers them. In a container the numbers differ, and our own changes merely count as somebody's.
bool isOurs(const netlink::Attributes& generation) {
  std::array<char, 16> name{};  // TASK_COMM_LEN
  ::prctl(PR_GET_NAME, name.data());
  return ntohl(generation.u32(NFTA_GEN_PROC_PID).value_or(0)) == static_cast<std::uint32_t>(::getpid()) &&
         generation.text(NFTA_GEN_PROC_NAME) == name.data();
}

/// The errno that a message of nft's ends with, of those that matter to somebody; else 0.
int errnoOf(std::string_view message) {
  for (const int code : {ENOENT, EEXIST, EOPNOTSUPP, EAFNOSUPPORT, EPERM}) {
    if (message.find(::strerrordesc_np(code)) != std::string_view::npos) return code;
  }
  return 0;
}

Failure refused(std::string_view what, std::string_view message) {
  const auto error = firstError(message);
  const int code = errnoOf(error);
  auto failure = failErrno("", code);
  failure.value().text = fmt::format("{}: {}", what, error);
  if (code == 0) failure.value().kind = Error::Kind::failed;
  return failure;
}

/// By its name, without the family, which an event tells elsewhere.
bool mayBeOurs(std::string_view table) {
  return table == "twill" || table.starts_with("twill_");
}

/// What `nft list ...` says as JSON; nothing when there is no such table.
Result<std::optional<std::string>> list(const std::string& what) {
  const std::unique_ptr<nft_ctx, decltype(&nft_ctx_free)> context(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  nft_ctx_buffer_output(context.get());
  nft_ctx_buffer_error(context.get());
  nft_ctx_output_set_flags(context.get(), NFT_CTX_OUTPUT_JSON);
  if (nft_run_cmd_from_buffer(context.get(), ("list " + what).c_str()) == 0) {
    return std::string(nft_ctx_get_output_buffer(context.get()));
  }
  const auto failure = refused("nftables cannot be read", nft_ctx_get_error_buffer(context.get()));
  // Without the family there is no table of it either.
  const int code = failure.value().code;
  if (code == ENOENT || code == EOPNOTSUPP || code == EAFNOSUPPORT) return std::nullopt;
  return failure;
}

}  // namespace

Result<Nftables> Nftables::open() {
  // First of all: without NETLINK_NETFILTER libnftables would end the process.
  TWILL_TRY(auto monitor, netlink::Socket::open(NETLINK_NETFILTER));
  monitor.setReceiveBuffer(kMonitorBuffer);
  TWILL_CHECK(monitor.join(NFNLGRP_NFTABLES));
  TWILL_TRY(auto elementWriter, netlink::Socket::open(NETLINK_NETFILTER));
  Context writer(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  nft_ctx_buffer_output(writer.get());
  nft_ctx_buffer_error(writer.get());
  return Nftables(std::move(monitor), std::move(elementWriter), std::move(writer));
}

Result<void> Nftables::read(KernelState& state, bool audited) {
  if (audited) {
    monitor_.discard();
    stale_ = true;
  } else {
    listen();
  }
  if (stale_) TWILL_CHECK(learn());
  news_ = false;
  elements_.clear();
  state.firewalls = known_.firewalls;
  state.setElements = known_.setElements;
  return {};
}

Result<std::map<std::string, std::uint64_t>> Nftables::counted(const std::string& table) {
  TWILL_TRY(const auto json, list("counters table " + table));
  return json ? parseCounters(*json) : std::map<std::string, std::uint64_t>();
}

Result<void> Nftables::learn() {
  stale_ = true;
  KernelState read;
  std::size_t size = 0;
  TWILL_TRY(const auto tables, list("tables"));
  for (const auto& table : tables ? parseTables(*tables) : std::vector<std::string>()) {
    if (!isTableName(table)) continue;
    TWILL_TRY(const auto json, list("table " + table));
    if (!json) continue;
    TWILL_TRY(const auto parsed, parseTable(table, *json));
    merge(read, parsed);
    size += json->size();
  }
  known_ = std::move(read);
  stale_ = false;
  news_ = true;
  elements_.clear();
  if (size > kLargeListing) ::malloc_trim(0);
  return {};
}

void Nftables::listen() {
  while (true) {
    const auto datagram = monitor_.poll();
    if (datagram && datagram->empty()) return;
    if (!datagram) {  // some were lost
      stale_ = true;
      if (datagram.error().code == ENOBUFS) continue;
      return;
    }
    netlink::forEachMessage(*datagram, [&](const netlink::Received& message) {
      const netlink::Attributes attributes(message.payload, sizeof(nfgenmsg));
      if (NFNL_MSG_TYPE(message.type) == NFT_MSG_NEWGEN) {  // ends a transaction
        stale_ = stale_ || (touched_ && !isOurs(attributes));
        touched_ = false;
      } else {
        // Tables, chains, rules, sets and elements all name their table in attribute 1.
        touched_ = touched_ || mayBeOurs(attributes.text(NFTA_TABLE_NAME));
      }
    });
  }
}

Result<bool> Nftables::refresh(KernelState& state) {
  listen();
  if (stale_) {
    TWILL_CHECK(learn());
  }
  if (std::exchange(news_, false)) {
    elements_.clear();
    if (state.firewalls == known_.firewalls && state.setElements == known_.setElements) return false;
    state.firewalls = known_.firewalls;
    state.setElements = known_.setElements;
    return true;
  }
  for (auto& [verb, element] : elements_) {
    if (verb == Verb::remove) {
      state.setElements.erase(keyOf(element));
    } else {
      state.put(std::move(element));
    }
  }
  return !std::exchange(elements_, {}).empty();
}

Result<void> Nftables::write(const Firewall& wanted) {
  listen();
  if (stale_) {
    TWILL_CHECK(learn());
  }
  auto after = asRead(wanted);
  const auto known = known_.firewalls.find(wanted.table);
  const bool there = known != known_.firewalls.end();
  if (there && known->second == after) return {};
  const auto change = there ? changeScript(known->second, wanted) : std::nullopt;
  std::erase_if(known_.setElements, [&](const auto& entry) {
    return entry.first.table == wanted.table &&
           !(there && keepsElements(entry.first.set, known->second, after));
  });
  const auto written = run(change ? *change : tableScript(wanted, known_.setElements));
  news_ = true;
  TWILL_CHECK(written);
  known_.put(std::move(after));
  return {};
}

Result<void> Nftables::remove(const std::string& table) {
  news_ = true;
  TWILL_CHECK(run(removeScript(table)));
  known_.firewalls.erase(table);
  std::erase_if(known_.setElements, [&](const auto& entry) { return entry.first.table == table; });
  return {};
}

std::vector<Result<void>> Nftables::change(std::span<const Operation* const> steps) {
  std::vector<Result<void>> results(steps.size());
  const bool stale = stale_;
  news_ = news_ || steps.size() > kMany;
  if (changeAll(steps)) {
    for (const auto* step : steps) note(*step);
    return results;
  }
  stale_ = stale;  // a transaction that was refused changed nothing
  for (std::size_t i = 0; i < steps.size(); ++i) {
    results[i] = run(elementScript(steps.subspan(i, 1)));
    if (results[i]) note(*steps[i]);
  }
  return results;
}

bool Nftables::changeAll(std::span<const Operation* const> steps) {
  const auto batch = elementBatch(steps, known_);
  return (batch && elementWriter_.transact(*batch)) || run(elementScript(steps));
}

void Nftables::note(const Operation& step) {
  auto element = std::get<SetElement>(step.object);
  element.owner.clear();
  if (!news_) elements_.emplace_back(step.verb, element);
  if (step.verb == Verb::remove) {
    known_.setElements.erase(keyOf(element));
  } else {
    known_.put(std::move(element));
  }
}

Result<void> Nftables::run(const std::string& script) {
  if (nft_run_cmd_from_buffer(writer_.get(), script.c_str()) == 0) return {};
  stale_ = true;
  return refused("nftables refused", nft_ctx_get_error_buffer(writer_.get()));
}

}  // namespace twill
