// The Node-API face of the programs: unwrap and check arguments, keep memories alive, start and stop runs.
// Knows no op and does no arithmetic on tensors. All values that have getters are read before any address is taken,
// and no address is kept when a function returns, except those of shared memory in a running job.
#include <math.h>
#include <napi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "blas/kernels.h"
#include "dispatch.h"
#include "memory.h"
#include "roofline.h"
#include "pool.h"
#include "program.h"

#ifndef MINIBATCH_VERSION
#define MINIBATCH_VERSION "unknown"
#endif

namespace minibatch {
namespace {

using ProgramHandle = std::shared_ptr<const Program>;

// Marks our externals, so that those of other addons are told apart.
constexpr napi_type_tag kProgramTag = {0x6d696e6962617463ULL, 0x682d70726f677261ULL};

// The same for all environments of the process: MINIBATCH_ISA and MINIBATCH_BLAS are read once.
struct Kernels {
  const KernelTable* table;
  const KernelTable* usable[kMaxTables];
  int32_t usable_count;
  char error[200];
  const BlasLibrary* blas;  // null: our own products
  std::string blas_error;   // why it is null although one was asked for
};

const Kernels& TheKernels() {
  static const Kernels* const kernels = [] {
    Kernels* made = new Kernels{};
    made->usable_count = UsableTables(made->usable);
    made->table = &BestTable(getenv("MINIBATCH_ISA"), made->error, sizeof(made->error));
    const char* const path = getenv("MINIBATCH_BLAS");
    if (path != nullptr && path[0] != '\0') {
      made->blas = LoadBlas(path, &made->blas_error);
      if (made->blas != nullptr) made->table = &BlasTable(*made->table, *made->blas);
      else made->blas_error = "MINIBATCH_BLAS: " + made->blas_error;
    }
    return made;
  }();
  return *kernels;
}

// What one environment (the main thread or a worker) has at work. Outlives the environment while a job holds it.
struct Environment {
  napi_threadsafe_function finished = nullptr;  // made with the first job
  int32_t unanswered = 0;                       // jobs whose callback has not been called; of the JavaScript thread
  std::atomic<bool> closing{false};             // set with the mutex held, read by runs without
  std::mutex mutex;
  std::condition_variable quiet;
  int32_t running = 0;  // jobs that may still call `finished`
};

struct Instance {
  std::shared_ptr<Environment> environment = std::make_shared<Environment>();
};

struct Job {
  std::shared_ptr<Environment> environment;
  ProgramHandle program;
  RunRequest request;
  RunResult result;
  bool no_memory = false;
  napi_ref kept;  // an array: the callback, then everything whose memory the run uses
};

constexpr char kNoMemory[] = "memory: there is not enough for this run; a smaller batch or model, or fewer runs at once, need less";

// ---- reading arguments; each returns false with a JavaScript exception pending ----

bool Throw(napi_env env, std::string_view message) {
  napi_value text, error;
  if (napi_create_string_utf8(env, message.data(), message.size(), &text) == napi_ok &&
      napi_create_error(env, nullptr, text, &error) == napi_ok) {
    napi_throw(env, error);
  }
  return false;
}

// A Node-API call failed: by a getter's exception, which stays, or for a reason of its own.
bool Failed(napi_env env, const char* what) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  return pending ? false : Throw(env, std::string(what) + " cannot be read");
}

// The same for the functions themselves; the empty value means undefined.
Napi::Value Refuse(napi_env env, std::string_view message) {
  Throw(env, message);
  return {};
}

Napi::Value GiveUp(napi_env env, const char* what) {
  Failed(env, what);
  return {};
}

bool TypeOf(napi_env env, napi_value value, napi_valuetype* type) {
  return napi_typeof(env, value, type) == napi_ok || Failed(env, "argument");
}

bool ReadWhole(napi_env env, napi_value object, const char* name, int64_t max, int64_t* out) {
  napi_value value;
  napi_valuetype type;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) return Failed(env, name);
  if (!TypeOf(env, value, &type)) return false;
  double x = NAN;
  if (type == napi_number) napi_get_value_double(env, value, &x);
  if (!(x >= 0 && x <= static_cast<double>(max) && x == trunc(x))) {
    return Throw(env, std::string("run: ") + name + " must be a whole number from 0 to " + std::to_string(max));
  }
  *out = static_cast<int64_t>(x);
  return true;
}

struct Bytes {
  char* data = nullptr;
  size_t length = 0;  // elements
  bool shared = false;
};

// Must be called after the last JavaScript code (getters) that could detach or resize the array.
bool ReadTypedArray(napi_env env, napi_value value, napi_typedarray_type wanted, const char* rule, Bytes* out) {
  bool is = false;
  if (napi_is_typedarray(env, value, &is) != napi_ok) return Failed(env, rule);
  napi_typedarray_type type{};
  napi_value buffer;
  void* data = nullptr;
  if (is && napi_get_typedarray_info(env, value, &type, &out->length, &data, &buffer, nullptr) != napi_ok) return Failed(env, rule);
  if (!is || type != wanted) return Throw(env, rule);
  out->data = static_cast<char*>(data);
  // A SharedArrayBuffer is no ArrayBuffer to Node-API; only it can neither be detached nor shrink during a run.
  bool is_array_buffer = true;
  if (napi_is_arraybuffer(env, buffer, &is_array_buffer) != napi_ok) return Failed(env, rule);
  out->shared = !is_array_buffer;
  if (out->data == nullptr) out->length = 0;
  return true;
}

bool ReadProgram(napi_env env, napi_value value, ProgramHandle* out) {
  napi_valuetype type;
  bool ours = false;
  void* data = nullptr;
  if (!TypeOf(env, value, &type)) return false;
  if (type == napi_external && napi_check_object_type_tag(env, value, &kProgramTag, &ours) == napi_ok && ours) {
    napi_get_value_external(env, value, &data);
  }
  if (data == nullptr) return Throw(env, "run: program must come from compile");
  *out = *static_cast<ProgramHandle*>(data);
  return true;
}

// The arguments (program, memories, options) of both kinds of run. `keep` gets every value whose memory is used.
bool ReadRun(const Napi::CallbackInfo& info, bool background, ProgramHandle* program, RunRequest* request, std::vector<napi_value>* keep) {
  const napi_env env = info.Env();
  if (!ReadProgram(env, info[0], program)) return false;

  bool is_array = false;
  uint32_t count = 0;
  if (napi_is_array(env, info[1], &is_array) != napi_ok || !is_array) return Throw(env, "run: memories must be an array");
  napi_get_array_length(env, info[1], &count);
  if (count != (*program)->memory_count()) {
    return Throw(env, "run: the program has " + std::to_string((*program)->memory_count()) + " memories, got " + std::to_string(count));
  }
  napi_valuetype type;
  if (!TypeOf(env, info[2], &type)) return false;
  if (type != napi_object) return Throw(env, "run: options must be an object");
  int64_t threads = 0;
  if (!ReadWhole(env, info[2], "steps", kMaxSteps, &request->steps) || !ReadWhole(env, info[2], "first", INT32_MAX, &request->first) ||
      !ReadWhole(env, info[2], "last", INT32_MAX, &request->last) || !ReadWhole(env, info[2], "threads", kMaxThreads, &threads)) {
    return false;
  }
  request->threads = static_cast<int32_t>(threads);
  napi_value control;
  if (napi_get_named_property(env, info[2], "control", &control) != napi_ok) return Failed(env, "control");
  for (uint32_t i = 0; i < count; i++) {
    napi_value memory;
    if (napi_get_element(env, info[1], i, &memory) != napi_ok) return Failed(env, "memories");
    keep->push_back(memory);
  }

  // From here on no JavaScript runs.
  for (napi_value memory : *keep) {
    Bytes bytes;
    if (!ReadTypedArray(env, memory, napi_uint8_array, "run: each memory must be a Uint8Array", &bytes)) return false;
    if (background && !bytes.shared)
      return Throw(env, "run: memories must be on SharedArrayBuffers, which cannot be detached while a thread works in them");
    request->memories.push_back({bytes.data, static_cast<int64_t>(bytes.length)});
  }
  if (!TypeOf(env, control, &type)) return false;
  if (type != napi_undefined) {
    constexpr const char* kRule = "run: control must be an Int32Array of at least 2 elements, on a SharedArrayBuffer for start";
    Bytes bytes;
    if (!ReadTypedArray(env, control, napi_int32_array, kRule, &bytes)) return false;
    if (bytes.length < 2 || (background && !bytes.shared)) return Throw(env, kRule);
    request->control = reinterpret_cast<int32_t*>(bytes.data);
    keep->push_back(control);
  }
  const std::string error = (*program)->Check(*request);
  return error.empty() || Throw(env, error);
}

// ---- the functions ----

Napi::Value Compile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Kernels& kernels = TheKernels();
  if (kernels.error[0] != '\0') return Refuse(env, kernels.error);
  napi_valuetype type;
  if (!TypeOf(env, info[0], &type)) return {};
  if (type != napi_string) return Refuse(env, "compile: names must be a string");
  Bytes numbers;
  if (!ReadTypedArray(env, info[1], napi_float64_array, "compile: code must be a Float64Array", &numbers)) return {};
  constexpr size_t kMaxCode = 1 << 24;
  if (numbers.length > kMaxCode) return Refuse(env, "compile: code must have at most 2^24 numbers");
  // A copy: the array may be shared with a thread that changes it after a number was checked.
  std::vector<double> code(numbers.length);
  if (numbers.length > 0) memcpy(code.data(), numbers.data, numbers.length * sizeof(double));
  size_t length = 0;
  napi_get_value_string_utf8(env, info[0], nullptr, 0, &length);
  if (length > (1 << 20)) return Refuse(env, "compile: names must have at most 2^20 characters");
  std::string names(length + 1, '\0');
  napi_get_value_string_utf8(env, info[0], names.data(), length + 1, &length);
  names.resize(length);

  std::string error;
  ProgramHandle program = Program::Decode(names, code.data(), static_cast<int64_t>(code.size()), *kernels.table, &error);
  if (program == nullptr) return Refuse(env, error);

  auto* handle = new ProgramHandle(std::move(program));
  napi_value external;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<ProgramHandle*>(data); };
  if (napi_create_external(env, handle, finalize, nullptr, &external) != napi_ok) {
    delete handle;
    return GiveUp(env, "program");
  }
  if (napi_type_tag_object(env, external, &kProgramTag) != napi_ok) return GiveUp(env, "program");
  const std::vector<int32_t>& missing = (*handle)->unsupported();
  Napi::Array unsupported = Napi::Array::New(env, missing.size());
  for (size_t i = 0; i < missing.size(); i++) unsupported.Set(static_cast<uint32_t>(i), Napi::Number::New(env, missing[i]));
  Napi::Object result = Napi::Object::New(env);
  result.Set("program", Napi::Value(env, external));
  result.Set("unsupported", unsupported);
  return result;
}

Napi::Value RunSync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  ProgramHandle program;
  RunRequest request;
  std::vector<napi_value> keep;
  if (!ReadRun(info, false, &program, &request, &keep)) return {};
  const RunResult result = program->Run(request);
  if (!result.error.empty()) return Refuse(env, result.error);
  return Napi::Number::New(env, static_cast<double>(result.steps_done));
}

// On the JavaScript thread; env is null when the environment died before the callback could be called.
void Answer(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (env == nullptr) return;  // the reference goes with the environment
  Environment& environment = *job->environment;
  // Before the callback, which may start the next run.
  if (--environment.unanswered == 0) napi_unref_threadsafe_function(env, environment.finished);
  napi_value kept, callback, undefined, arguments[2];
  const bool ready = napi_get_reference_value(env, job->kept, &kept) == napi_ok && napi_get_element(env, kept, 0, &callback) == napi_ok &&
                     napi_get_undefined(env, &undefined) == napi_ok && napi_get_null(env, &arguments[0]) == napi_ok &&
                     napi_create_double(env, static_cast<double>(job->result.steps_done), &arguments[1]) == napi_ok;
  napi_delete_reference(env, job->kept);
  if (!ready) return;
  const std::string_view error = job->no_memory ? std::string_view(kNoMemory) : std::string_view(job->result.error);
  if (!error.empty() && napi_create_string_utf8(env, error.data(), error.size(), &arguments[0]) != napi_ok) return;
  if (napi_call_function(env, undefined, callback, 2, arguments, nullptr) == napi_pending_exception) {
    // Node 20 would only print a warning about it.
    napi_value thrown;
    if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
  }
}

// On a runner thread.
void Work(void* argument) {
  std::unique_ptr<Job> job(static_cast<Job*>(argument));
  const std::shared_ptr<Environment> environment = job->environment;
  // Run has caught what it can say better.
  const bool ran = OrNoMemory(
      [&] {
        job->result = job->program->Run(job->request);
        return true;
      },
      [] { return false; });
  if (!ran) job->no_memory = true;
  std::lock_guard<std::mutex> lock(environment->mutex);
  // With the mutex held `finished` is not yet being closed: Stop waits for it. The queue has no bound, so this never waits.
  if (!environment->closing.load() && napi_call_threadsafe_function(environment->finished, job.get(), napi_tsfn_nonblocking) == napi_ok) {
    job.release();
  }
  environment->running--;
  environment->quiet.notify_all();
}

// The environment ends: runs are told to stop and waited for, since their memories go with it.
void Stop(void* argument) {
  Environment& environment = *static_cast<Environment*>(argument);
  std::unique_lock<std::mutex> lock(environment.mutex);
  environment.closing.store(true);
  while (environment.running > 0) environment.quiet.wait(lock);
}

bool Prepare(napi_env env, Environment& environment) {
  if (environment.finished != nullptr) return true;
  napi_value name;
  if (napi_create_string_utf8(env, "minibatch run", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, Answer, &environment.finished) !=
          napi_ok) {
    environment.finished = nullptr;
    return Failed(env, "start");
  }
  napi_unref_threadsafe_function(env, environment.finished);
  // Hooks run last in, first out: this one before the function's own, so that no run can call a closed function,
  // which aborts Node 20 and 22.
  return napi_add_env_cleanup_hook(env, Stop, &environment) == napi_ok || Failed(env, "start");
}

Napi::Value Start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  napi_valuetype type;
  if (!TypeOf(env, info[3], &type)) return {};
  if (type != napi_function) return Refuse(env, "start: done must be a function");
  std::unique_ptr<Job> job(new Job{});
  std::vector<napi_value> keep;
  if (!ReadRun(info, true, &job->program, &job->request, &keep)) return {};
  job->environment = env.GetInstanceData<Instance>()->environment;
  Environment& environment = *job->environment;
  if (!Prepare(env, environment)) return {};
  job->request.abandoned = &environment.closing;

  napi_value kept;
  if (napi_create_array_with_length(env, keep.size() + 2, &kept) != napi_ok || napi_set_element(env, kept, 0, info[3]) != napi_ok ||
      napi_set_element(env, kept, 1, info[0]) != napi_ok) {
    return GiveUp(env, "start");
  }
  for (size_t i = 0; i < keep.size(); i++) {
    if (napi_set_element(env, kept, static_cast<uint32_t>(i + 2), keep[i]) != napi_ok) return GiveUp(env, "start");
  }
  if (napi_create_reference(env, kept, 1, &job->kept) != napi_ok) return GiveUp(env, "start");

  {
    std::lock_guard<std::mutex> lock(environment.mutex);
    environment.running++;
  }
  if (!RunOnOwnThread(Work, job.get())) {
    {
      std::lock_guard<std::mutex> lock(environment.mutex);
      environment.running--;
    }
    napi_delete_reference(env, job->kept);
    return Refuse(env, "threads: none could be made for this run; the system limits them");
  }
  job.release();  // Work's now
  if (environment.unanswered++ == 0) napi_ref_threadsafe_function(env, environment.finished);
  return {};
}

Napi::Value Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Kernels& kernels = TheKernels();
  Napi::Object result = Napi::Object::New(env);
  Napi::Array isas = Napi::Array::New(env);
  for (int32_t i = 0; i < kernels.usable_count; i++) isas.Set(static_cast<uint32_t>(i), Napi::String::New(env, kernels.usable[i]->isa));
  Napi::Array names = Napi::Array::New(env);
  for (int32_t i = 0; i < kernels.table->count; i++)
    names.Set(static_cast<uint32_t>(i), Napi::String::New(env, kernels.table->kernels[i].name));
  result.Set("isa", Napi::String::New(env, kernels.table->isa));
  result.Set("isas", isas);
  result.Set("threads", Napi::Number::New(env, HardwareThreads()));
  result.Set("kernels", names);
  result.Set("version", Napi::String::New(env, MINIBATCH_VERSION));
  if (kernels.blas != nullptr) result.Set("blas", Napi::String::New(env, kernels.blas->name));
  if (!kernels.blas_error.empty()) result.Set("blasError", Napi::String::New(env, kernels.blas_error));
  if (kernels.error[0] != '\0') result.Set("error", Napi::String::New(env, kernels.error));
  return result;
}

// Measures on a thread of libuv's, so that the event loop goes on; only benchmarks ask.
class LimitsWorker : public Napi::AsyncWorker {
 public:
  LimitsWorker(napi_env env, const KernelTable& table, int32_t threads, bool memory)
      : Napi::AsyncWorker(env), promise(Napi::Promise::Deferred::New(env)), table_(table), threads_(threads), memory_(memory) {}
  Napi::Promise::Deferred promise;

  void Execute() override {
    if (!MeasureLimits(*table_.probes, threads_, memory_, &limits_)) SetError("limits: no memory, or no threads, to measure with");
  }
  void OnError(const Napi::Error& error) override { promise.Reject(error.Value()); }
  void OnOK() override {
    const Napi::Env env = Env();
    Napi::Object fma = Napi::Object::New(env);
    fma.Set("f32", Napi::Number::New(env, limits_.f32));
    fma.Set("f64", Napi::Number::New(env, limits_.f64));
    Napi::Array sets = Napi::Array::New(env);
    for (uint32_t i = 0; memory_ && i < kWorkingSets; i++) {
      const Bandwidth& bandwidth = limits_.memory[i];
      Napi::Object set = Napi::Object::New(env);
      set.Set("bytes", Napi::Number::New(env, static_cast<double>(bandwidth.bytes)));
      set.Set("read", Napi::Number::New(env, bandwidth.read));
      set.Set("copy", Napi::Number::New(env, bandwidth.copy));
      set.Set("update", Napi::Number::New(env, bandwidth.update));
      sets.Set(i, set);
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("isa", Napi::String::New(env, table_.isa));
    result.Set("threads", Napi::Number::New(env, threads_));
    result.Set("fma", fma);
    result.Set("memory", sets);
    promise.Resolve(result);
  }

 private:
  const KernelTable& table_;
  const int32_t threads_;
  const bool memory_;
  Limits limits_{};
};

Napi::Value MachineLimits(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Kernels& kernels = TheKernels();
  if (kernels.error[0] != '\0') return Refuse(env, kernels.error);
  const double threads = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : NAN;
  if (!(threads >= 1 && threads <= kMaxThreads && threads == trunc(threads))) {
    char got[32] = "no number";
    if (info[0].IsNumber()) snprintf(got, sizeof(got), "%g", threads);
    return Refuse(env, "limits: threads must be a whole number from 1 to " + std::to_string(kMaxThreads) + ", got " + got);
  }
  if (!info[1].IsBoolean()) return Refuse(env, "limits: memory must be true or false");
  auto* worker = new LimitsWorker(env, *kernels.table, static_cast<int32_t>(threads), info[1].As<Napi::Boolean>().Value());
  const Napi::Promise promise = worker->promise.Promise();
  worker->Queue();  // it deletes itself
  return promise;
}

// Where a view starts, modulo a cache line: JavaScript aligns its memories by it.
Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Bytes bytes;
  if (!ReadTypedArray(env, info[0], napi_uint8_array, "addressOf: bytes must be a Uint8Array", &bytes)) return {};
  return Napi::Number::New(env, static_cast<double>(reinterpret_cast<uintptr_t>(bytes.data) % 64));
}

// A function of ours as JavaScript calls it.
template <Napi::Value (*kFunction)(const Napi::CallbackInfo&)>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  return OrNoMemory([&] { return kFunction(info); }, [&] { return Refuse(info.Env(), kNoMemory); });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance);
  exports.Set("compile", Napi::Function::New(env, Guarded<Compile>, "compile"));
  exports.Set("start", Napi::Function::New(env, Guarded<Start>, "start"));
  exports.Set("runSync", Napi::Function::New(env, Guarded<RunSync>, "runSync"));
  exports.Set("info", Napi::Function::New(env, Guarded<Info>, "info"));
  exports.Set("limits", Napi::Function::New(env, Guarded<MachineLimits>, "limits"));
  exports.Set("addressOf", Napi::Function::New(env, Guarded<AddressOf>, "addressOf"));
  return exports;
}

}  // namespace
}  // namespace minibatch

static Napi::Object InitMinibatch(Napi::Env env, Napi::Object exports) {
  return minibatch::OrNoMemory([&] { return minibatch::Init(env, exports); },
                               [&] {
                                 minibatch::Throw(env, minibatch::kNoMemory);
                                 return exports;
                               });
}
NODE_API_MODULE(minibatch, InitMinibatch)
