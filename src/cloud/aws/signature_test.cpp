// SPDX-License-Identifier: Apache-2.0
// The expected signatures are botocore's for the same requests.
#include "cloud/aws/signature.hpp"

#include <doctest/doctest.h>

#include "cloud/form.hpp"

namespace twill::cloud::aws {
namespace {

constexpr std::chrono::system_clock::time_point kThen{
    std::chrono::seconds(1767323045)};  // 2026-01-02 03:04:05

Unsigned request() {
  return {.host = "ec2.eu-west-1.amazonaws.com",
          .region = "eu-west-1",
          .service = "ec2",
          .contentType = "application/x-www-form-urlencoded; charset=utf-8",
          .target = "",
          .body = formOf({{"Action", "DescribeRouteTables"},
                          {"Version", "2016-11-15"},
                          {"Filter.1.Name", "vpc-id"},
                          {"Filter.1.Value.1", "vpc-1"}})};
}

std::string signatureOf(const std::vector<std::string>& headers) {
  const std::string& last = headers.back();
  return last.substr(last.rfind('=') + 1);
}

TEST_CASE("a request is signed as AWS's own libraries do") {
  Credentials credentials{.id = "AKIDTWILLTEST", .secret = "twill/secret+for=tests", .token = ""};
  CHECK(signatureOf(sign(request(), credentials, kThen)) ==
        "65f99ed77584feadb96819938c7084345ef0a8bea71897bef7d59693375f7fbc");
  credentials.token = "tok/en+with==";
  CHECK(signatureOf(sign(request(), credentials, kThen)) ==
        "aea51df1f92866b28350c4637c1d165fb3b5ff20ce1d39b029df610b56e80840");
}

}  // namespace
}  // namespace twill::cloud::aws
