#include "cli/report/picture.h"

#include <nlohmann/json.hpp>

#include "cli/report/assets.h"
#include "cli/report/svg.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

struct Drawing {
  const char* experiment;
  Picture (*draw)(const Json& result, const std::string& file);
};
constexpr Drawing kDrawings[] = {{"03_which_experts_stay_in_host_memory", cache_curve},
                                 {"08_what_does_2d_prefetch_hide", prefetch_grid_picture},
                                 {"15_what_does_simulating_cost", cost_growth_picture}};

const Drawing* drawing_of(const Json& result) {
  if (!result.is_object()) return nullptr;
  for (const Drawing& drawing : kDrawings)
    if (result.value("kind", Json()) == "moesaic.result/1" && result.value("experiment", Json()) == drawing.experiment)
      return &drawing;
  return nullptr;
}

}  // namespace

bool has_picture(const Json& result) { return drawing_of(result) != nullptr; }

Picture draw_picture(const Json& result, const std::string& file) {
  const Drawing* drawing = drawing_of(result);
  if (drawing != nullptr) return drawing->draw(result, file);
  std::string known;
  for (const Drawing& each : kDrawings) known += (known.empty() ? "" : ", ") + std::string(each.experiment);
  throw InputError(file, "/experiment", "is not the result of an experiment that has a picture", known,
                   "a plan's step is drawn by --report of `moesaic simulate`, `execute` and `compare`");
}

std::string html_picture(const Picture& picture) {
  const std::string title = escaped_markup(picture.title);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
         "content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
         "<title>" +
         title + "</title>\n<style>\n" + std::string(report_asset("style.css")) +
         "</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"brand\">moesaic</p>\n<h1>" + title +
         "</h1>\n<p class=\"muted\">" + escaped_markup(picture.note) + "</p>\n</header>\n<section class=\"figure\">\n" +
         picture.svg + "</section>\n</main>\n</body>\n</html>\n";
}

}  // namespace moesaic
