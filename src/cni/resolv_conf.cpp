// SPDX-License-Identifier: Apache-2.0
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "cni/call.hpp"

namespace twill::cni {

std::string dnsOf(std::string_view resolvConf) {
  nlohmann::json dns = nlohmann::json::object();
  std::istringstream lines{std::string(resolvConf)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    words >> keyword;
    for (std::string word; words >> word;) {
      if (keyword == "nameserver") dns["nameservers"].push_back(word);
      if (keyword == "domain") dns["domain"] = word;
      if (keyword == "search" || keyword == "options") dns[keyword].push_back(word);
    }
  }
  // A result with bytes that are no text would be no JSON.
  return dns.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace twill::cni
