// SPDX-License-Identifier: Apache-2.0
#include "kernel/nftables.hpp"

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

namespace twill {
namespace {

/// Room for the announcements of a transaction with some ten thousand elements.
constexpr int kMonitorBuffer = 8 << 20;
/// libnftables builds a tree of the whole table; above so much output the heap is handed back afterwards.
constexpr std::size_t kLargeListing = 64U << 10U;

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

/// The table as JSON; nothing when there is none.
Result<std::optional<std::string>> listTable() {
  const std::unique_ptr<nft_ctx, decltype(&nft_ctx_free)> context(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  nft_ctx_buffer_output(context.get());
  nft_ctx_buffer_error(context.get());
  nft_ctx_output_set_flags(context.get(), NFT_CTX_OUTPUT_JSON);
  if (nft_run_cmd_from_buffer(context.get(), "list table inet twill") == 0) {
    return std::string(nft_ctx_get_output_buffer(context.get()));
  }
  const std::string_view error = nft_ctx_get_error_buffer(context.get());
  if (error.find("No such file or directory") != std::string_view::npos) return std::nullopt;
  return fail("nftables cannot be read: " + firstError(error));
}

}  // namespace

Result<Nftables> Nftables::open() {
  // First of all: without NETLINK_NETFILTER libnftables would end the process.
  TWILL_TRY(auto monitor, netlink::Socket::open(NETLINK_NETFILTER));
  monitor.setReceiveBuffer(kMonitorBuffer);
  TWILL_CHECK(monitor.join(NFNLGRP_NFTABLES));
  Context writer(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  nft_ctx_buffer_output(writer.get());
  nft_ctx_buffer_error(writer.get());
  return Nftables(std::move(monitor), std::move(writer));
}

Result<std::optional<Firewall>> Nftables::read() {
  monitor_.discard();
  TWILL_CHECK(learn());
  news_ = false;
  return known_;
}

Result<void> Nftables::learn() {
  stale_ = true;
  TWILL_TRY(const auto json, listTable());
  std::optional<Firewall> firewall;
  if (json) {
    TWILL_TRY(firewall, parseTable(*json));
  }
  known_ = std::move(firewall);
  stale_ = false;
  news_ = true;
  if (json && json->size() > kLargeListing) ::malloc_trim(0);
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
        touched_ = touched_ || attributes.text(NFTA_TABLE_NAME) == "twill";
      }
    });
  }
}

Result<bool> Nftables::refresh(std::optional<Firewall>& firewall) {
  listen();
  if (stale_) {
    TWILL_CHECK(learn());
  }
  if (!std::exchange(news_, false) || firewall == known_) return false;
  firewall = known_;
  return true;
}

Result<void> Nftables::write(const Firewall& wanted) {
  listen();
  if (stale_) {
    TWILL_CHECK(learn());
  }
  auto after = asRead(wanted);
  if (known_ == after) return {};
  const auto elements = known_ ? elementScript(*known_, wanted) : std::nullopt;
  TWILL_CHECK(run(elements ? *elements : tableScript(wanted)));
  known_ = std::move(after);
  return {};
}

Result<void> Nftables::remove() {
  TWILL_CHECK(run(removeScript()));
  known_.reset();
  return {};
}

Result<void> Nftables::run(const std::string& script) {
  news_ = true;
  if (nft_run_cmd_from_buffer(writer_.get(), script.c_str()) == 0) return {};
  stale_ = true;
  return fail("nftables refused: " + firstError(nft_ctx_get_error_buffer(writer_.get())));
}

}  // namespace twill
