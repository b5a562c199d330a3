// What routing documents say, and turning those that are recorded.

#include "core/schema/error.h"
#include "core/schema/routing.h"

namespace moesaic {
namespace {

constexpr const char* kForms[] = {"generator", "counts", "counts_by_source", "choices", "choices_with_scores"};

RoutingDocument turned(const RoutingDocument& recorded, int64_t first, bool keep_first) {
  const int64_t begin = first * recorded.num_moe_layers * recorded.num_sources * recorded.num_experts;
  RoutingDocument turned = recorded;
  turned.counts.assign(recorded.counts.begin() + begin, recorded.counts.end());
  if (keep_first)
    turned.counts.insert(turned.counts.end(), recorded.counts.begin(), recorded.counts.begin() + begin);
  else
    turned.num_iterations -= first;
  if (recorded.choices != nullptr)
    turned.choices = std::make_shared<RoutingChoices>(
        from_iteration(*recorded.choices,
                       {recorded.num_iterations, recorded.num_moe_layers, recorded.num_sources, recorded.num_experts},
                       first, keep_first));
  return turned;
}

}  // namespace

bool RoutingDocument::operator==(const RoutingDocument& other) const {
  const bool same_choices =
      (choices == nullptr) == (other.choices == nullptr) && (choices == nullptr || *choices == *other.choices);
  return same_choices && name == other.name && generator == other.generator && counts == other.counts &&
         num_iterations == other.num_iterations && num_moe_layers == other.num_moe_layers &&
         num_sources == other.num_sources && num_experts == other.num_experts;
}

const char* name_of(RoutingForm form) { return kForms[static_cast<size_t>(form)]; }

RoutingForm form_of(const RoutingDocument& document) {
  if (!document.recorded()) return RoutingForm::generator;
  if (document.choices != nullptr)
    return document.choices->scores.empty() ? RoutingForm::choices : RoutingForm::choices_with_scores;
  return document.num_sources > 1 ? RoutingForm::counts_by_source : RoutingForm::counts;
}

void require_form(const RoutingDocument& document, RoutingForm weakest, const std::string& reader) {
  const RoutingForm form = form_of(document);
  if (form >= weakest) return;
  const std::string remedy =
      weakest >= RoutingForm::choices
          ? "record one with `moesaic execute --record-routing " + std::string(name_of(weakest)) + "`"
          : "take a recording, as the result of `moesaic execute` holds one";
  throw InputError("routing " + (document.name.empty() ? "without a name" : document.name), "",
                   "has the form " + std::string(name_of(form)) + ", from which " + reader + " cannot work",
                   std::string(name_of(weakest)) + " or what says more", remedy);
}

RoutingDocument beginning_at(const RoutingDocument& recorded, int64_t step, int micro_batches) {
  if (!recorded.recorded()) return recorded;
  const int64_t first = step * micro_batches;
  MOESAIC_CHECK(first >= 0 && first < recorded.num_iterations, "the step was not recorded");
  return turned(recorded, first, true);
}

RoutingDocument without_first(const RoutingDocument& recorded, int64_t iterations) {
  MOESAIC_CHECK(iterations >= 0 && iterations < recorded.num_iterations, "no iteration would be left");
  return turned(recorded, iterations, false);
}

}  // namespace moesaic
