// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <iostream>

#include <doctest/doctest.h>

#include "skip.hpp"

namespace {

constexpr int kSkipped = 77;  // TWILL_SKIPPED in cmake/tests.cmake

bool skipped = false;
unsigned ran = 0;

// Counts what ran: a filter that matches no test case must not look like success.
struct Count : doctest::IReporter {
  explicit Count(const doctest::ContextOptions& /*options*/) {}
  void report_query(const doctest::QueryData& /*data*/) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override { ran = stats.numTestCasesPassingFilters; }
  void test_case_start(const doctest::TestCaseData& /*data*/) override {}
  void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*data*/) override {}
  void log_message(const doctest::MessageData& /*data*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};
DOCTEST_REGISTER_LISTENER("count", 1, Count);

}  // namespace

void twill::test::skip(std::string_view reason) {
  skipped = true;
  std::cout << "SKIPPED: " << reason << std::endl;
}

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int failed = context.run();
  if (context.shouldExit() || failed != 0) return failed;
  if (ran == 0) {
    std::cerr << "no test case matches\n";
    return 1;
  }
  return skipped ? kSkipped : 0;
}
