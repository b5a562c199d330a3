#include "tests/core/plan/field_page.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/schema/documents.h"

namespace moesaic {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(FieldPage, IsWhatTheTablesSay) {
  const std::string path = std::string(MOESAIC_SOURCE_DIR) + "/docs/plan_fields.md";
  if (std::getenv("MOESAIC_RENEW") != nullptr) write_file(path, testing::field_page());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::vector<std::string> page = lines_of(text.str()), tables = lines_of(testing::field_page());
  for (size_t i = 0; i < std::max(page.size(), tables.size()); ++i) {
    const std::string was = i < page.size() ? page[i] : "(no line)", is = i < tables.size() ? tables[i] : "(no line)";
    ASSERT_EQ(was, is) << "docs/plan_fields.md, line " << i + 1
                       << " is the first that differs; write the page anew: MOESAIC_RENEW=1 ctest --test-dir "
                       << "build/test -R FieldPage";
  }
}

}  // namespace
}  // namespace moesaic
