#include "cli/session.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/cost/plain_cost_model.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "core/schema/hardware.h"

namespace moesaic::cli {
namespace {

namespace fs = std::filesystem;

volatile std::sig_atomic_t g_interrupted = 0;

/// `name` as a folder or a name under devices/ that holds `file`; "" when it is neither, whatever the name.
std::string in_device_folder(const std::string& name, const std::string& file, const std::vector<std::string>& roots) {
  std::vector<fs::path> candidates = {fs::path(name) / file};
  for (const std::string& root : roots) candidates.push_back(fs::path(root) / "devices" / name / file);
  std::error_code ignored;
  for (const fs::path& candidate : candidates)
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
  return "";
}

/// The shipped profile that was measured or published for a device of this name; "" when there is none.
std::string shipped_profile(const std::string& device, const std::vector<std::string>& roots) {
  for (const std::string& root : roots) {
    if (!fs::is_directory(fs::path(root) / "devices")) continue;
    for (const auto& entry : fs::directory_iterator(fs::path(root) / "devices")) {
      const std::string file = (entry.path() / "profile.json").string();
      if (fs::is_regular_file(file) && read_profile(read_json(file), file).device == device) return file;
    }
  }
  return "";
}

/// A run's recorded routing without its first half: a router that has just been initialised sends its rows elsewhere.
RoutingDocument later_half(const RoutingDocument& recorded) {
  return recorded.recorded() ? without_first(recorded, recorded.num_iterations / 2) : recorded;
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction hang_up {};
  sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // nohup ignores it on purpose
}

bool interrupted() { return g_interrupted != 0; }

std::string program_folder() { return fs::read_symlink("/proc/self/exe").parent_path().string(); }

std::string executor_program() {
  const std::string path = program_folder() + "/moesaic-executor";
  if (!fs::is_regular_file(path))
    throw DeviceError("the executor is not built: " + path + " is missing; build the target moesaic-executor");
  return path;
}

std::vector<std::string> Session::document_roots() const {
  const std::string installed = program_folder() + "/../share/moesaic/profiles";
  if (fs::is_directory(installed)) return {installed};
  return {MOESAIC_SOURCE_DIR "/profiles"};
}

std::string Session::preset_folder() const {
  const std::string installed = program_folder() + "/../share/moesaic/presets";
  return fs::is_directory(installed) ? installed : MOESAIC_SOURCE_DIR "/planner/presets";
}

std::string Session::preset_path(const std::string& name) const {
  return resolve_document(name, "presets", {fs::path(preset_folder()).parent_path()});
}

std::string Session::model_file(const std::string& name) const {
  return resolve_document(name, "models", document_roots());
}

std::string Session::cluster_file(const std::string& name) const {
  const std::string file = in_device_folder(name, "cluster.json", document_roots());
  return file.empty() ? resolve_document(name, "clusters", document_roots(), cluster_names_like(name, document_roots()))
                      : file;
}

std::string Session::workload_file(const std::string& name) const {
  return resolve_document(name, "workloads", document_roots());
}

Model Session::load_model(const std::string& name) const {
  const std::string file = model_file(name);
  Model model = read_model(read_json(file), file);
  for (const std::string& part : model.left_out) say(model.name + " is planned without " + part);
  return model;
}

Cluster Session::load_cluster(const std::string& name) const { return find_cluster(name).cluster; }

Session::FoundCluster Session::find_cluster(const std::string& name) const {
  const std::vector<std::string> roots = document_roots();
  std::error_code ignored;
  if (!fs::exists(name, ignored))
    if (const std::optional<Cluster> named = cluster_named(name, roots)) return {*named, "cluster " + name};
  const std::string file = cluster_file(name);
  return {read_any_cluster(read_json(file), file, roots), file};
}

Workload Session::load_workload(const std::string& name) const {
  const std::string file = workload_file(name);
  return read_workload(read_json(file), file);
}

RoutingDocument Session::load_routing(const std::string& name) const {
  if (name.empty()) return {};
  const std::string file = resolve_document(name, "routing", document_roots());
  const Json document = read_json(file);
  if (document_kind(document, file) == "result" && document.contains("routing"))
    return later_half(read_routing(document["routing"], file, "/routing"));
  return read_routing(document, file);
}

Profile Session::load_profile(const std::string& name, const Cluster& cluster) const {
  std::string file;
  if (name.empty()) {
    file = shipped_profile(cluster.device.name, document_roots());
    if (file.empty()) {
      say("no profile of '" + cluster.device.name + "': prices are peak rates times an assumed efficiency");
      return plain_profile(cluster);
    }
  } else {
    file = in_device_folder(name, "profile.json", document_roots());
    if (file.empty()) file = resolve_document(name, "devices", document_roots());
  }
  Profile profile = read_profile(read_json(file), file);
  return profile.device == cluster.device.name ? profile : of_other_device(std::move(profile), cluster, file);
}

Profile Session::of_other_device(Profile profile, const Cluster& cluster, const std::string& file) const {
  const std::string measured = profile.device.empty() ? "a device it does not name" : "'" + profile.device + "'";
  if (!allow_other_device)
    throw InputError(
        file, "/device",
        "was measured on " + measured + ", cluster '" + cluster.name + "' has '" + cluster.device.name + "'",
        "a profile of the cluster's device",
        "leave --profile out, or say --allow-other-device: every price is then assumed");
  say("the profile was measured on " + measured + ", not on '" + cluster.device.name + "': every price is assumed");
  for (OperatorCurve& curve : profile.operators) curve.provenance = Provenance::assumed;
  for (CollectiveCurve& curve : profile.collectives) curve.provenance = Provenance::assumed;
  return profile;
}

planner::Problem Session::load_problem(const std::string& model, const std::string& cluster,
                                       const std::string& workload, const std::string& routing,
                                       const std::string& profile) const {
  planner::Problem problem;
  problem.model = load_model(model);
  const FoundCluster found = find_cluster(cluster);
  problem.cluster = found.cluster;
  problem.workload = load_workload(workload);
  const std::string routing_file = routing.empty() ? "" : resolve_document(routing, "routing", document_roots());
  problem.files = {model_file(model), found.file, workload_file(workload), routing_file, ""};
  problem.routing = load_routing(routing);
  const bool measured = profile.empty() && !in_device_folder(cluster, "profile.json", document_roots()).empty() &&
                        !in_device_folder(cluster, "cluster.json", document_roots()).empty();
  problem.profile = load_profile(measured ? cluster : profile, problem.cluster);
  return problem;
}

Plan Session::load_plan(const std::string& path) const { return read_plan(read_json(path), path); }

void Session::print(const Json& document, const std::string& text) const {
  if (json)
    std::cout << document.dump(2) << "\n";
  else
    std::cout << text;
  std::cout.flush();
  if (!std::cout) throw InputError("standard output", "", "cannot be written");
}

void Session::say(const std::string& line) { std::cerr << "moesaic: " << line << "\n"; }

void add_json_option(CLI::App& verb, Session& session) {
  verb.add_flag("--json", session.json, "print one JSON document on stdout");
}

void add_common_options(CLI::App& verb, Session& session) {
  add_json_option(verb, session);
  verb.add_option("--seed", session.seed, "seed of every random choice")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()))
      ->default_val(0);
}

void refuse_seed(CLI::App& verb, const std::string& reason) {
  const CLI::App& parent = *verb.get_parent();  // another verb, or the program
  const std::string option =
      (parent.get_parent() != nullptr ? parent.get_name() + " " : "") + verb.get_name() + " --seed";
  const auto refuse = [=](const std::string&) { throw InputError(option, "", "changes nothing: " + reason); };
  verb.add_option_function<std::string>("--seed", refuse)->group("");  // not in --help
}

void check_device(const std::string& device, const std::string& plan, const Cluster& cluster) {
  if (device != "cpu" && device != "cuda")
    throw InputError("--device " + device, "", "is no kind of device", "cpu or cuda");
  if (device == "cuda" && std::string(MOESAIC_CUDA_VERSION) == "none")
    throw DeviceError(
        "--device cuda: the executor was built without CUDA; configure with -DMOESAIC_CUDA=ON where nvcc is");
  const char* const planned = cluster.device.lanes_share_core ? "cpu" : "cuda";
  if (device != planned)
    throw InputError("--device " + device, "", "the device of " + plan + " is " + planned, planned,
                     "make a plan for a cluster of that device");
}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
  shown_ = false;
}

void Progress::update(double done, double total, const std::string& what) {
  constexpr double kQuietSeconds = 2;
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (elapsed < kQuietSeconds || !isatty(STDERR_FILENO)) return;
  shown_ = true;
  const double left = done > 0 ? elapsed * (total - done) / done : 0;
  std::fprintf(stderr, "\r\033[K%3.0f %%  %s, %s left", total > 0 ? 100 * done / total : 0, what.c_str(),
               format_seconds(std::ceil(left)).c_str());
}

}  // namespace moesaic::cli
