// SPDX-License-Identifier: Apache-2.0
#include "tc/program.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <prefix_key.h>

namespace twill::tc {
namespace {

constexpr std::uint32_t kHandle = 1;

bpf_tc_hook hookOf(const Place& place) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = place.link;
  hook.attach_point = place.entrance ? BPF_TC_INGRESS : BPF_TC_EGRESS;
  return hook;
}

bpf_tc_opts optionsAt(const Place& place) {
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.handle = kHandle;
  options.priority = place.priority;
  return options;
}

/// What libbpf has said last, with the verifier's log in it.
std::string& words() {
  static std::string all;
  return all;
}

int keepWords(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  constexpr std::size_t kMost = std::size_t{1} << 20;
  std::array<char, 32768> text{};
  const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (words().size() > kMost) words().clear();
  if (size > 0) words().append(text.data(), std::min(text.size() - 1, static_cast<std::size_t>(size)));
  return 0;
}

/// The verifier ends its log with its reason, and a line of numbers. That the kernel lacks a function is
/// found by libbpf: "extern (func ksym) 'bpf_skb_ct_lookup': not found in kernel or module BTFs".
std::string reason(std::string_view text) {
  if (const auto numbers = text.rfind("\nprocessed "); numbers != std::string_view::npos) {
    const auto begin = text.rfind('\n', numbers - 1) + 1;
    return fmt::format("the kernel's verifier says '{}'", text.substr(begin, numbers - begin));
  }
  if (const auto end = text.rfind("': not found in kernel"); end != std::string_view::npos) {
    const auto begin = text.rfind('\'', end - 1) + 1;
    return fmt::format("this kernel has no {}()", text.substr(begin, end - begin));
  }
  return {};
}

}  // namespace

Result<std::uint32_t> attach(int program, const Place& place) {
  bpf_tc_hook hook = hookOf(place);
  if (const int failed = ::bpf_tc_hook_create(&hook); failed != 0 && failed != -EEXIST)
    return failErrno(fmt::format("make a place for programs at link {}", place.link), -failed);
  bpf_tc_opts options = optionsAt(place);
  options.prog_fd = program;
  options.flags = BPF_TC_F_REPLACE;
  if (const int failed = ::bpf_tc_attach(&hook, &options); failed != 0)
    return failErrno(fmt::format("attach a program to link {}", place.link), -failed);
  return options.prog_id;
}

void detach(const Place& place) {
  const bpf_tc_hook hook = hookOf(place);
  const bpf_tc_opts options = optionsAt(place);
  (void)::bpf_tc_detach(&hook, &options);
}

bool holds(const Place& place, std::uint32_t program) {
  const bpf_tc_hook hook = hookOf(place);
  bpf_tc_opts options = optionsAt(place);
  return ::bpf_tc_query(&hook, &options) == 0 && options.prog_id == program;
}

void listen() {
  ::libbpf_set_print(keepWords);
  words().clear();
}

Failure failLoad(std::string_view what, int code) {
  if (code == EPERM) return failErrno(fmt::format("{} (it needs CAP_BPF or CAP_SYS_ADMIN)", what), code);
  if (const auto why = reason(words()); !why.empty())
    return failErrno(fmt::format("{}: {}", what, why), code);
  return failErrno(what, code);
}

std::array<std::uint8_t, 16> mapped(const IpAddress& address) {
  std::array<std::uint8_t, 16> out{};
  const auto bytes = address.bytes();
  if (address.isV4()) out[10] = out[11] = 0xff;
  std::copy(bytes.begin(), bytes.end(), out.end() - static_cast<std::ptrdiff_t>(bytes.size()));
  return out;
}

std::string keyOf(const Prefix& prefix) {
  prefix_key key{};
  key.length = static_cast<std::uint32_t>(prefix.length() + (prefix.isV4() ? 96 : 0));
  std::ranges::copy(mapped(prefix.address()), key.address);
  return bytesOf(key);
}

Result<void> write(int map, const Entries& wanted, Entries& written) {
  for (const auto& [key, value] : wanted) {
    if (const auto found = written.find(key); found != written.end() && found->second == value) continue;
    if (::bpf_map_update_elem(map, key.data(), value.data(), BPF_ANY) != 0)
      return failErrno("write an entry of a program's map");
    written[key] = value;
  }
  std::erase_if(written, [&](const auto& entry) {
    return !wanted.contains(entry.first) && ::bpf_map_delete_elem(map, entry.first.data()) == 0;
  });
  return {};
}

std::size_t cpus() {
  return static_cast<std::size_t>(std::max(1, ::libbpf_num_possible_cpus()));
}

}  // namespace twill::tc
