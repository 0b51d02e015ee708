// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/credentials.hpp"

#include <doctest/doctest.h>

namespace twill::cloud::aws {
namespace {

using Keys = std::map<std::string, std::string>;

TEST_CASE("a profile of the shared files") {
  constexpr const char* kText =
      "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=S=1\n\n[profile other]\r\n"
      "region = eu-west-1\r\n; no\n[third]\naws_access_key_id = T";
  CHECK(profileIn(kText, "default") == Keys{{"aws_access_key_id", "A"}, {"aws_secret_access_key", "S=1"}});
  CHECK(profileIn(kText, "other") == Keys{{"region", "eu-west-1"}});
  CHECK(profileIn(kText, "third") == Keys{{"aws_access_key_id", "T"}});
  CHECK(profileIn(kText, "nobody").empty());
  CHECK(profileIn("[default\n=\nx\n[", "default") == Keys{{"", ""}});
  CHECK(profileIn("", "default").empty());
}

TEST_CASE("credentials of a service, and what is none") {
  const auto good = credentialsIn(
      R"({"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-01-02T03:04:05Z"})",
      "here");
  REQUIRE(good);
  CHECK(good->id == "A");
  CHECK(good->token == "T");
  CHECK(good->expires == std::chrono::system_clock::time_point(std::chrono::seconds(1767323045)));

  const auto endless = credentialsIn(
      R"({"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"8559-01-02T03:04:05Z"})", "here");
  REQUIRE(endless);
  CHECK(endless->expires == std::chrono::system_clock::time_point::max());

  const auto failed = credentialsIn(R"({"Code":"AssumeRoleUnauthorizedAccess"})", "the role x");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == Kind::auth);
  CHECK(failed.error().text.find("AssumeRoleUnauthorizedAccess") != std::string::npos);
  CHECK_FALSE(credentialsIn("[]", "here"));
  CHECK_FALSE(credentialsIn("<html>", "here"));
  CHECK_FALSE(credentialsIn(R"({"AccessKeyId":7,"SecretAccessKey":null})", "here"));
}

}  // namespace
}  // namespace twill::cloud::aws
