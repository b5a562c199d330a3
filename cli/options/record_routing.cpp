#include "cli/options/record_routing.h"

#include <map>
#include <string>

namespace moesaic::cli {

CLI::Option* add_record_routing(CLI::App& verb, RoutingForm& record) {
  std::map<std::string, RoutingForm> forms;
  for (const RoutingForm form : {RoutingForm::counts_by_source, RoutingForm::choices, RoutingForm::choices_with_scores})
    forms[name_of(form)] = form;
  return verb
      .add_option_function<std::string>(
          "--record-routing", [&record, forms](const std::string& name) { record = forms.at(name); },
          "what the result says of the router: counts_by_source, rows per expert; choices, the experts of every token "
          "as well, which take 4 bytes a token, MoE layer and choice of each step kept, on every rank those of all, "
          "and "
          "about 4 in the result; choices_with_scores, how much they count for the token too: 8 bytes and about 14")
      ->check(CLI::IsMember(forms))
      ->default_str(name_of(RoutingForm::counts_by_source));
}

}  // namespace moesaic::cli
