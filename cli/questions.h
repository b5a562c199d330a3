#pragma once
// The questions under experiments/: their names, what they ask, who answers them. It runs nothing.

#include <string>
#include <vector>

#include "experiments/studies.h"

namespace moesaic::cli {

/// A folder under experiments/. Without a study it is run by a script or by hand.
struct Question {
  std::string name;
  std::string asks;   // one sentence; "" where it has no experiment.json
  Seconds takes = 0;  // measured, to run it; 0 where nobody says
  const experiments::Study* study = nullptr;

  std::string file(const std::string& of_folder) const;
  std::string number() const { return name.substr(0, name.find('_')); }
};

/// Sorted. Folders that begin with a number are questions; the others are shared by them.
std::vector<Question> questions();

/// The question of a name or of its leading number. InputError where there is none.
Question question_of(const std::string& asked);

}  // namespace moesaic::cli
