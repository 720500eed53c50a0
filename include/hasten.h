/* hasten.h: the whole public interface of libhasten. The comments are the manual.
 *
 * Conventions
 *   Every function that can fail returns hst_status and takes `hst_error *err` last. `err` is the caller's, may be NULL,
 *   and is written only on failure. Besides the statuses that a comment names, any of them may return NO_MEMORY, and
 *   INVALID_ARGUMENT where an argument that is needed is NULL. Functions that return no status must be given their
 *   object. The library never prints, exits or aborts.
 *   `_new`, `_load`, `_open` return an object that the caller owns and gives back with `_free` (NULL is allowed there),
 *   not while another thread uses it.
 *   `_get`, `_view` and functions that return a pointer to const lend: the result lives as long as the object it came
 *   from. Setters copy; a form that lends memory to the library is spelled `_borrow`.
 *   Option structs begin with their size: set it with HST_INIT, so that a newer library knows which fields exist. A field
 *   that is 0 or NULL means its default; NULL in place of the struct means all defaults.
 *   Structs that the library hands out by pointer may grow at their end: never copy them by value between two versions.
 *   Names and texts are UTF-8 and NUL-terminated unless a size stands beside them; the library copies what it keeps.
 *
 * The shortest program
 *   hst_task *task;
 *   hst_result *result;
 *   hst_string text = {"I love it", 9};
 *   hst_task_open("models/sentiment", NULL, NULL, &task, &err);
 *   hst_task_run_texts(task, 1, &text, NULL, NULL, &result, &err);
 *   printf("%s %.3f\n", hst_result_answer(result, 0, 0)->label, hst_result_answer(result, 0, 0)->score);
 *
 * Objects
 *   hst_model      what was loaded: graph, packed weights, metadata. Immutable; any number of threads may use it.
 *   hst_session    runs a model: memory plan, temporaries, state. One thread at a time; many sessions share one model.
 *   hst_tensor     dtype, shape, elements. Not changed by two threads at once; handles on the same elements are cheap.
 *   hst_tokenizer  text to ids and back. Immutable once loaded; any number of threads may use it.
 *   hst_task       tokenizer + session + what is done with the outputs. One thread at a time.
 */
#ifndef HASTEN_H
#define HASTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HST_API __attribute__((visibility("default")))
#else
#define HST_API
#endif

/* ---- version and option structs ----------------------------------------------------------------------------------- */

/* Raised when a program compiled against an older header could misbehave with this library. */
#define HST_ABI_VERSION 1

HST_API const char *hst_version(void); /* of the library that is loaded: "0.1.0" */
HST_API int hst_abi_version(void);     /* HST_ABI_VERSION when the library was compiled */

/* An option struct with all defaults: hst_run_options o = HST_INIT(hst_run_options); */
#ifdef __cplusplus
#define HST_INIT(type)                                                                                                 \
    ([] {                                                                                                              \
        type hst_init{};                                                                                               \
        hst_init.size = sizeof hst_init;                                                                               \
        return hst_init;                                                                                               \
    }())
#else
#define HST_INIT(type) ((type){.size = sizeof(type)})
#endif

/* ---- status and errors ------------------------------------------------------------------------------------------ */

typedef enum hst_status {
    HST_STATUS_OK = 0,
    HST_STATUS_INVALID_ARGUMENT, /* the caller passed something that can never be right */
    HST_STATUS_NO_MEMORY,        /* the allocator said no */
    HST_STATUS_BUDGET,           /* a stated memory budget would be passed */
    HST_STATUS_IO,               /* reading or writing a file failed */
    HST_STATUS_NOT_FOUND,        /* no such file, input, operator, label … */
    HST_STATUS_BAD_FORMAT,       /* a file or message is damaged or not what it claims to be */
    HST_STATUS_UNSUPPORTED,      /* well formed, but hasten does not do it */
    HST_STATUS_BAD_SHAPE,        /* shapes or dtypes of tensors do not fit */
    HST_STATUS_BUSY,             /* the session is running in another thread */
    HST_STATUS_CANCELLED,        /* the run's cancel flag was set */
    HST_STATUS_DEADLINE,         /* the run's deadline passed */
    HST_STATUS_INTERNAL          /* a bug of hasten: please report it */
} hst_status;

/* Caller-owned. `message` is one English sentence with the numbers and, where there is one, the fix; `object` names the
 * file, node, tensor or option concerned (may be empty). Both are NUL-terminated, cut when too long. */
typedef struct hst_error {
    hst_status code;
    char object[128];
    char message[640];
} hst_error;

HST_API const char *hst_status_name(hst_status status); /* "OK", "NO_MEMORY" …; "UNKNOWN" for another number */

/* ---- element types ---------------------------------------------------------------------------------------------- */

/* Values are those of ONNX's TensorProto.DataType. */
typedef enum hst_dtype {
    HST_DTYPE_NONE = 0,
    HST_DTYPE_F32 = 1,
    HST_DTYPE_U8 = 2,
    HST_DTYPE_S8 = 3,
    HST_DTYPE_U16 = 4,
    HST_DTYPE_S16 = 5,
    HST_DTYPE_S32 = 6,
    HST_DTYPE_S64 = 7,
    HST_DTYPE_STRING = 8,
    HST_DTYPE_B8 = 9, /* bool, one byte, 0 or 1 */
    HST_DTYPE_F16 = 10,
    HST_DTYPE_F64 = 11,
    HST_DTYPE_U32 = 12,
    HST_DTYPE_U64 = 13,
    HST_DTYPE_C64 = 14,  /* complex, 2 × f32 */
    HST_DTYPE_C128 = 15, /* complex, 2 × f64 */
    HST_DTYPE_BF16 = 16,
    HST_DTYPE_F8E4M3FN = 17,
    HST_DTYPE_F8E4M3FNUZ = 18,
    HST_DTYPE_F8E5M2 = 19,
    HST_DTYPE_F8E5M2FNUZ = 20,
    HST_DTYPE_U4 = 21, /* two elements a byte, first in the low nibble */
    HST_DTYPE_S4 = 22,
    HST_DTYPE_F4E2M1 = 23,
    HST_DTYPE_F8E8M0 = 24,
    HST_DTYPE_U2 = 25, /* four elements a byte, first in the low bits */
    HST_DTYPE_S2 = 26,
    HST_DTYPE_F6E2M3 = 27, /* four elements in three bytes, first in the low bits; read and written only */
    HST_DTYPE_F6E3M2 = 28,
    /* Outside ONNX's numbers: what is no tensor of elements. */
    HST_DTYPE_SEQUENCE = 64, /* a list of tensors, see hst_tensor_new_sequence */
    HST_DTYPE_OPTIONAL = 65, /* an optional that is empty; one that is not empty is what it holds */
    HST_DTYPE_MAP = 66       /* keys and values, see hst_tensor_new_map */
} hst_dtype;

/* An element of a HST_DTYPE_STRING tensor: `size` bytes at `data`, not NUL-terminated. */
typedef struct hst_string {
    const char *data;
    size_t size;
} hst_string;

#define HST_RANK_MAX 16 /* more dimensions than this are refused */

HST_API const char *hst_dtype_name(hst_dtype dtype);      /* "f32", "s64", "b8", "string" …; "?" for another number */
HST_API hst_dtype hst_dtype_from_name(const char *name);  /* those, and "float32", "int64", "F16" …; NONE if unknown */
HST_API int hst_dtype_bits(hst_dtype dtype);              /* an element: 32 for f32, 4 for s4; 0: none of a fixed size */

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* Where an object takes its memory from; NULL in an options struct means libc. `alloc` returns `size` bytes aligned to
 * `align` (a power of two, at most 4,096) or NULL; `free` gets the same size back. Both may be called from any thread. */
typedef struct hst_allocator {
    void *user;
    void *(*alloc)(void *user, size_t size, size_t align);
    void (*free)(void *user, void *memory, size_t size);
} hst_allocator;

/* Frees a text (char *) that a function of this header gave to the caller. NULL is allowed. */
HST_API void hst_text_free(char *text);

/* ---- the process: log, clock, threads --------------------------------------------------------------------------- */

typedef enum hst_log_level { HST_LOG_ERROR = 0, HST_LOG_WARNING, HST_LOG_INFO, HST_LOG_DEBUG } hst_log_level;

/* The library's only way to say something that is not an error (a slow fallback, a pass that did not apply …). Process
 * wide; NULL: silence, the default. Messages above `most` are not made. `message` has no newline. May be called from any
 * thread, at any time until hst_log_set has replaced it. */
typedef void (*hst_log_callback)(void *user, hst_log_level level, const char *message);
HST_API void hst_log_set(hst_log_callback callback, void *user, hst_log_level most);

/* Nanoseconds of a clock that never goes back: the time base of deadlines and profile events. */
HST_API uint64_t hst_clock_ns(void);

/* Threads of the one team that all sessions of the process share, the calling thread included. The default is what the
 * affinity mask and the cgroup's CPU quota allow. A run that finds the team busy works on its own thread: results have
 * the same bits for any number. 0 restores the default; at most 256. */
HST_API void hst_threads_set(int threads);
HST_API int hst_threads_get(void);

/* What the library was built with, as JSON text, an array of objects by name. `what` is
 *   "ops"      of {name, domain ("": ai.onnx), since, until (operator set versions; until 0: all later ones), summary, gaps,
 *              failing (cases of the standard that fail, and why)}
 *   "kernels"  of {name, family, isa, available (on this CPU, or at the level that HST_CPU lowers it to), chosen,
 *              why_not ("" where it is available)}
 *   "passes"   of {name, order (they run by ascending order), summary}
 *   "archs"    of {name (config.json's model_type), architectures (the classes that can be built), summary}
 *   "tasks"    of {name, aliases, summary}
 * Errors: NOT_FOUND (another name). Ownership: hst_text_free(*json). */
HST_API hst_status hst_list_json(const char *what, char **json, hst_error *err);

/* ---- tensors ---------------------------------------------------------------------------------------------------- */

/* Elements lie row-major without gaps; sub-byte types are packed as hst_dtype says. A handle on elements that may be
 * shared: the elements are freed with the last handle. */
typedef struct hst_tensor hst_tensor;

/* A zeroed tensor. rank 0 … HST_RANK_MAX, dims >= 0 (0 is a valid length; NULL is allowed for rank 0). `a` NULL: libc.
 * For HST_DTYPE_STRING all elements are empty. Errors: BAD_SHAPE (rank, a negative length, a size beyond 64 bits),
 * BAD_FORMAT (a number that is no dtype), INVALID_ARGUMENT (sequences, maps and optionals have functions of their own),
 * NO_MEMORY. Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_new(hst_dtype dtype, int rank, const int64_t *dims, const hst_allocator *a,
                                  hst_tensor **out, hst_error *err);
/* The same with `bytes` bytes copied in, which must be exactly what the shape needs (BAD_SHAPE). Not for strings. */
HST_API hst_status hst_tensor_new_copy(hst_dtype dtype, int rank, const int64_t *dims, const void *data, size_t bytes,
                                       const hst_allocator *a, hst_tensor **out, hst_error *err);
/* Strings: as many as the shape has elements; their bytes are copied. Errors and ownership as above. */
HST_API hst_status hst_tensor_new_strings(int rank, const int64_t *dims, const hst_string *strings,
                                          const hst_allocator *a, hst_tensor **out, hst_error *err);
/* As hst_tensor_new_copy, without the copy. Ownership: the tensor uses the caller's memory, which must stay until the
 * last handle is freed and, where the tensor is bound as an output, is written to; hst_tensor_free(*out) frees the
 * handle alone. Any alignment of the element type is right; 64 bytes are fastest. */
HST_API hst_status hst_tensor_new_borrow(hst_dtype dtype, int rank, const int64_t *dims, void *data, size_t bytes,
                                         const hst_allocator *a, hst_tensor **out, hst_error *err);
/* Another handle on the same elements (elements that were borrowed stay borrowed). Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_retain(const hst_tensor *t, hst_tensor **out, hst_error *err);
/* The same elements under another shape with as many elements (else BAD_SHAPE). Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_reshape(const hst_tensor *t, int rank, const int64_t *dims, hst_tensor **out,
                                      hst_error *err);
/* A new tensor of another numeric or bool type, converted as ONNX Cast does. Errors: UNSUPPORTED (strings, complex
 * numbers, sequences, maps). Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_convert(const hst_tensor *t, hst_dtype dtype, hst_tensor **out, hst_error *err);
/* Gives a handle back; from any thread. */
HST_API void hst_tensor_free(hst_tensor *t);

/* A sequence: a handle whose elements are tensors, of rank 1 with `n` elements and dtype HST_DTYPE_SEQUENCE. It keeps
 * its own handles on the items, whose elements nobody may write to from now on. Items are tensors or maps, no sequences
 * and no empty optionals. Errors: INVALID_ARGUMENT, NO_MEMORY. Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_new_sequence(size_t n, const hst_tensor *const *items, const hst_allocator *a,
                                           hst_tensor **out, hst_error *err);
/* A map: of dtype HST_DTYPE_MAP and rank 1, with 2 elements, item 0 its keys and item 1 its values. Both are of rank 1
 * and one length, values[i] belongs to keys[i]; keys are strings or integers of 8 bits or more, in any
 * order; of equal ones the last counts. Handles are kept as by a sequence. Errors: BAD_SHAPE (no such keys or
 * lengths), INVALID_ARGUMENT (a sequence or map in it), NO_MEMORY. Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_new_map(const hst_tensor *keys, const hst_tensor *values, const hst_allocator *a,
                                      hst_tensor **out, hst_error *err);
/* Item i, lent by the sequence or map; NULL where there is none, or where t is another value. */
HST_API const hst_tensor *hst_tensor_item(const hst_tensor *t, size_t i);
/* An empty optional, of dtype HST_DTYPE_OPTIONAL. Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_new_empty_optional(const hst_allocator *a, hst_tensor **out, hst_error *err);

/* Values in files of their own, as test data of ONNX models comes (input_0.pb). The file does not say which message it
 * holds, `as` does: HST_DTYPE_NONE a TensorProto, whatever its elements; HST_DTYPE_SEQUENCE a SequenceProto;
 * HST_DTYPE_MAP a MapProto, whose values must be scalars; HST_DTYPE_OPTIONAL an OptionalProto, which becomes what it
 * holds. A model's input or output is kept as OPTIONAL where hst_value_info.may_be_empty is set, as SEQUENCE or MAP
 * where its dtype is that, else as NONE. Reading copies; external data of tensors is looked for beside the file and
 * nowhere else, from memory it is refused. `name` (NULL: not wanted) gets the value's name, "" where it has none:
 * hst_text_free(*name). Errors: NOT_FOUND, IO, BAD_FORMAT, UNSUPPORTED (a sparse tensor, nested sequences), NO_MEMORY.
 * Ownership: hst_tensor_free(*out). */
HST_API hst_status hst_tensor_read_onnx(const char *path, hst_dtype as, const hst_allocator *a, hst_tensor **out,
                                        char **name, hst_error *err);
HST_API hst_status hst_tensor_read_onnx_memory(const void *data, size_t size, hst_dtype as, const hst_allocator *a,
                                               hst_tensor **out, char **name, hst_error *err);
/* The same the other way; the file appears under its name at once, when all is written. `name` may be NULL. Errors:
 * INVALID_ARGUMENT (t is not what `as` says), IO, NO_MEMORY. Ownership: hst_text_free(*data). */
HST_API hst_status hst_tensor_write_onnx(const hst_tensor *t, hst_dtype as, const char *name, const char *path,
                                         hst_error *err);
HST_API hst_status hst_tensor_write_onnx_memory(const hst_tensor *t, hst_dtype as, const char *name, char **data,
                                                size_t *size, hst_error *err);

HST_API hst_dtype hst_tensor_dtype(const hst_tensor *t);
HST_API int hst_tensor_rank(const hst_tensor *t);
HST_API const int64_t *hst_tensor_dims(const hst_tensor *t); /* `rank` lengths */
HST_API int64_t hst_tensor_count(const hst_tensor *t);       /* elements, or items */
HST_API size_t hst_tensor_bytes(const hst_tensor *t);        /* of the elements; strings: of their hst_string array */
/* The elements; strings: hst_string[count]. Never NULL. The caller may write to tensors that it made with _new, _new_copy
 * or _new_borrow while no run uses them; all others are read only. */
HST_API void *hst_tensor_data(hst_tensor *t);
HST_API const void *hst_tensor_view(const hst_tensor *t);

/* ---- user operators --------------------------------------------------------------------------------------------- */

/* Inside the callbacks of a user operator: its node, inputs and outputs. Lives for the call only. */
typedef struct hst_operator_context hst_operator_context;

/* What is known of a value before it is computed. rank -1: unknown. A negative length is a symbol: equal numbers are equal
 * lengths; HST_DIM_UNKNOWN in an output makes a fresh one. */
#define HST_DIM_UNKNOWN INT64_MIN
typedef struct hst_type {
    hst_dtype dtype; /* NONE: unknown, or the input is omitted */
    int rank;
    int64_t dims[HST_RANK_MAX];
} hst_type;

/* An operator that hasten lacks, or lacks for one version, made by the caller; it wins over one of hasten's own. */
typedef struct hst_operator {
    size_t size;
    const char *domain; /* "" or NULL is ai.onnx */
    const char *name;   /* the node's op_type */
    int since, until;   /* versions of the domain's operator set, inclusive; 0: no bound */
    int min_inputs, max_inputs, min_outputs, max_outputs; /* max 0: no bound */
    void *user;                                           /* given to the callbacks; must live as long as the model */
    /* Called when a model is loaded, perhaps several times: sets what can be told of the outputs with
     * hst_operator_set_type. A status other than OK ends the load and is returned by it. May be NULL. */
    hst_status (*infer)(void *user, hst_operator_context *c, hst_error *err);
    /* Computes: reads inputs, makes each output that is wanted with hst_operator_output, fills it. Called from the
     * threads of the sessions, several at once, and during the load where all inputs are constant. A status other than
     * OK ends the run and is returned by it, with the message that it left in `err`. */
    hst_status (*run)(void *user, hst_operator_context *c, hst_error *err);
    bool nondeterministic; /* true: never computed ahead of time from constant inputs */
} hst_operator;

HST_API int hst_operator_input_count(const hst_operator_context *c);
HST_API int hst_operator_output_count(const hst_operator_context *c);
HST_API const char *hst_operator_node_name(const hst_operator_context *c); /* "" where it has none */
/* The node's attributes; `otherwise` (NULL, -1) where absent or of another type. The results live as long as the model. */
HST_API int64_t hst_operator_int(const hst_operator_context *c, const char *name, int64_t otherwise);
HST_API float hst_operator_float(const hst_operator_context *c, const char *name, float otherwise);
HST_API const char *hst_operator_text(const hst_operator_context *c, const char *name, const char *otherwise);
HST_API int hst_operator_ints(const hst_operator_context *c, const char *name, const int64_t **values); /* count or -1 */
HST_API const hst_tensor *hst_operator_tensor(const hst_operator_context *c, const char *name);
/* What is known of input i (false where it is omitted; in run: what it is); in infer: setting output i. */
HST_API bool hst_operator_type(const hst_operator_context *c, int i, hst_type *out);
HST_API void hst_operator_set_type(hst_operator_context *c, int i, const hst_type *type);
/* In both: input i. In infer NULL unless it is a constant; in run NULL where it is omitted. */
HST_API const hst_tensor *hst_operator_input(const hst_operator_context *c, int i);
/* In run: false where nobody wants output i. */
HST_API bool hst_operator_wants(const hst_operator_context *c, int i);
/* In run: a tensor for output i, uninitialised, to be filled through hst_tensor_data. Errors: BAD_SHAPE, BUDGET,
 * NO_MEMORY, INVALID_ARGUMENT. Ownership: the run's. */
HST_API hst_status hst_operator_output(hst_operator_context *c, int i, hst_dtype dtype, int rank, const int64_t *dims,
                                       hst_tensor **out, hst_error *err);
/* In run: memory for the duration of the call, 64-byte aligned; NULL: none left. */
HST_API void *hst_operator_scratch(hst_operator_context *c, size_t bytes);
/* In run: CANCELLED or DEADLINE where it should stop, to be asked in long loops. */
HST_API hst_status hst_operator_check(hst_operator_context *c, hst_error *err);

/* ---- models ----------------------------------------------------------------------------------------------------- */

typedef struct hst_model hst_model;

/* Flags of hst_model_options. */
#define HST_MAP_COPY 1u         /* read files into memory instead of mapping them: for files that may be cut in place */
#define HST_MODEL_GRAPH_ONLY 2u /* read the graph and nothing more: to inspect or export, also with unknown operators */
/* With GRAPH_ONLY: infer the types of all values, for hst_model_describe_shapes_json. What depends on an unknown
 * operator stays unknown; shapes that contradict each other are BAD_SHAPE. A model that is loaded whole has them
 * anyway. With GRAPH_ONLY optimization, quantization and weights would be ignored, and are INVALID_ARGUMENT. */
#define HST_MODEL_SHAPES 4u

/* Gives a free dimension a fixed length: every input dimension of that name. Errors of the load: NOT_FOUND (no input
 * has it), INVALID_ARGUMENT (a negative length). */
typedef struct hst_dimension {
    const char *name;
    int64_t length;
} hst_dimension;

/* How linear layers with f32 (or half-precision) weights are computed. */
typedef enum hst_quantization {
    HST_QUANTIZATION_NONE = 0, /* as the model says */
    /* Weights rounded to 8 bits with a scale a column, activations to 7 bits with a scale a token: faster, and a quarter of
     * the memory; docs/quantization.md says what it costs. Embeddings, attention, norms and small heads stay f32, and so
     * does a layer whose weights would lose too much. The answer for a text is the same in any batch and on any machine. */
    HST_QUANTIZATION_INT8 = 1
} hst_quantization;

typedef struct hst_model_options {
    size_t size;
    const hst_allocator *allocator; /* for all that the model owns; copied */
    uint32_t flags;                 /* HST_MAP_COPY | … */
    /* How much the graph is rewritten: 0 the default (all that keeps answers within the rounding of f32), 1 nothing, 2
     * only what is exact (constants folded, dead nodes removed), 3 all. A model of an opset before 7 gets 2 at most. An
     * engine file stays as it was compiled: anything but 0 would be ignored, and is INVALID_ARGUMENT. */
    int optimization;
    const hst_dimension *dimensions; /* free-dimension overrides */
    size_t dimension_count;
    /* Execution providers in order of preference; those that cannot be had are skipped, and the last resort is "cpu". NULL:
     * {"cpu"}. Errors: NOT_FOUND for a name that this library does not know. */
    const char *const *providers;
    size_t provider_count;
    const hst_operator *const *operators; /* user operators; copied */
    size_t operator_count;
    /* Where a model comes from memory: bytes of the external file `name` (as written in the model), called once a name.
     * The memory must stay until hst_model_free has freed the model. Errors: whatever it returns ends the load. */
    hst_status (*external)(void *user, const char *name, const void **data, size_t *size, hst_error *err);
    void *external_user;
    /* What the rewriting did, or why it did not: one call a pass and graph. `text` lives for the call. */
    void (*explain)(void *user, const char *pass, const char *text);
    void *explain_user;
    /* Which class a checkpoint is built as: "BertForMaskedLM", or without the family "ForMaskedLM", or "Model" for the
     * hidden states. NULL: what config.json names. Asked of checkpoints alone: other files are what they are. UNSUPPORTED. */
    const char *architecture;
    /* Needs optimization 0 or 3, and an engine file that was compiled with it: INVALID_ARGUMENT otherwise. A model of an
     * opset before 7 cannot be quantised: UNSUPPORTED; nor can its weights be stored otherwise. */
    hst_quantization quantization;
    /* How the weights of linear layers are stored; arithmetic is f32 in any case. NONE: as is fastest, which is F32. F16,
     * BF16: half the memory; exact where the model's weights are of that type, else each is rounded once; a matrix with a
     * number that f16 cannot hold stays F32. Faster for 1 to 4 tokens a run, slower for more (docs/performance.md). The
     * answers do not depend on batch, threads or machine. F16 and BF16 need optimization 0 or 3; an engine
     * file keeps the form that it was compiled with, and takes NONE only. Else: INVALID_ARGUMENT. */
    hst_dtype weights;
} hst_model_options;

/* Loads a model. `path` is an engine file (hst_model_compile); an ONNX file; a checkpoint's folder (config.json beside
 * *.safetensors or pytorch_model.bin, or their index); one such weight file; or a folder with an ONNX file in it: the
 * first of model.onnx, onnx/model.onnx, model_optimized.onnx, model_quantized.onnx, onnx/model_quantized.onnx. External
 * data is looked for beside the file and nowhere else. A newer opset than hasten knows is read, with a warning by the log callback.
 * Errors: NOT_FOUND, IO, BAD_FORMAT (damaged), UNSUPPORTED (lists every operator that is missing, or names the
 * architectures there are), BAD_SHAPE (shapes or types in the graph contradict each other), INVALID_ARGUMENT (an
 * option), NO_MEMORY. Ownership: hst_model_free; sessions keep the model alive. A mapped file must not be cut or
 * overwritten in place while the model lives (replacing it by rename is safe): else use HST_MAP_COPY. */
HST_API hst_status hst_model_load(const char *path, const hst_model_options *options, hst_model **out, hst_error *err);
/* The same from the bytes of an ONNX or engine file, which are copied; the _borrow form uses them where they lie until
 * the model is freed by the last of its owners. External data is what the `external` callback gives. */
HST_API hst_status hst_model_load_memory(const void *data, size_t size, const hst_model_options *options,
                                         hst_model **out, hst_error *err);
HST_API hst_status hst_model_load_memory_borrow(const void *data, size_t size, const hst_model_options *options,
                                                hst_model **out, hst_error *err);
HST_API void hst_model_free(hst_model *model);

/* An input or output. `dims` has `rank` lengths, -1 where free; dim_names[k] is the name of a free one ("" if it has none
 * or is not free). Lives as long as the model. */
typedef struct hst_value_info {
    const char *name;
    hst_dtype dtype; /* NONE: not known before a run */
    int rank;        /* -1: not known before a run */
    const int64_t *dims;
    const char *const *dim_names;
    bool optional;     /* an input with a default value */
    hst_dtype element; /* of a sequence: the type of its items, of which rank and dims speak then; NONE: not known */
    bool may_be_empty; /* an ONNX optional: HST_DTYPE_OPTIONAL may stand in its place */
    hst_dtype key; /* of a map, or of a sequence of maps: the type of the keys; element is that of the values then */
} hst_value_info;

/* In the file's order. An output that the file lists twice is two outputs; names stay unique, so the second is called
 * y_2, or by the first number that is free. */
HST_API size_t hst_model_input_count(const hst_model *model);
HST_API size_t hst_model_output_count(const hst_model *model);
HST_API const hst_value_info *hst_model_input(const hst_model *model, size_t i); /* NULL where there is no i-th */
HST_API const hst_value_info *hst_model_output(const hst_model *model, size_t i);
/* The model's metadata: the value of a key (NULL: absent), or the i-th pair (false: there is none). */
HST_API const char *hst_model_metadata(const hst_model *model, const char *key);
HST_API size_t hst_model_metadata_count(const hst_model *model);
HST_API bool hst_model_metadata_get(const hst_model *model, size_t i, const char **key, const char **value);
/* Imported operator sets: "" is ai.onnx. */
HST_API size_t hst_model_opset_count(const hst_model *model);
HST_API bool hst_model_opset_get(const hst_model *model, size_t i, const char **domain, int64_t *version);
/* config.json as text (of the checkpoint, or beside the ONNX file), or NULL; and its id2label: the highest class id +
 * 1, and the label of class `id`, NULL where it has none. */
HST_API const char *hst_model_config_json(const hst_model *model);
HST_API int hst_model_label_count(const hst_model *model);
HST_API const char *hst_model_label(const hst_model *model, int id);
/* Everything `hasten inspect` shows, as one JSON object: file, format, producer, opsets, inputs, outputs, operator
 * counts, parameters, bytes, unsupported operators, metadata. Errors: NO_MEMORY. Ownership: hst_text_free(*json). */
HST_API hst_status hst_model_describe_json(const hst_model *model, char **json, hst_error *err);
/* The type of every value, as one JSON array in the order of the graph: initializers, inputs, then what each node
 * gives. Of each {name, graph ("" is the main one; "then_branch of If 'n'", by attribute and node), depth (of nesting),
 * from ("input", "initializer" or the operator), node (its name), output (true where the graph gives it), dtype,
 * shape}. shape is null where the rank is not known, else numbers, names ("batch", "seq+past") and "?12": an unknown
 * length without a name; the same number is the same length. Sequences have `element`, the dtype of an item, of which
 * shape tells, maps and sequences of maps `key` and `element`, the dtypes of keys and values, optionals `may_be_empty`.
 * `content`, where inference knows the integers of a scalar or a short vector (of shapes mostly), holds them like a
 * shape, negative ones included. Errors: INVALID_ARGUMENT (loaded with HST_MODEL_GRAPH_ONLY and without
 * HST_MODEL_SHAPES), NO_MEMORY. Ownership: hst_text_free(*json). */
HST_API hst_status hst_model_describe_shapes_json(const hst_model *model, char **json, hst_error *err);
/* The main graph in Graphviz' language. Errors: NO_MEMORY. Ownership: hst_text_free(*dot). */
HST_API hst_status hst_model_describe_dot(const hst_model *model, char **dot, hst_error *err);

/* How a model runs, as one JSON object: `passes`, an array of {pass, did}, what each rewrite of the graph did; `steps`,
 * in the order in which they run, of {node, op, domain, output (dtype and shape), kernel ("" where there is none: the
 * operator moves data, or its reference runs), why (there is no better one; "" where there is)}. The k-th is
 * hst_profile_event.step k. Errors: INVALID_ARGUMENT (loaded with HST_MODEL_GRAPH_ONLY), NO_MEMORY. Ownership:
 * hst_text_free(*json). */
HST_API hst_status hst_model_explain_json(const hst_model *model, char **json, hst_error *err);

typedef struct hst_export_options {
    size_t size;
    int opset;                /* 17 … 25: Gradient becomes standard operators then; 0: 18, or the file's own */
    hst_dtype dtype;          /* of floating point weights: NONE as they are, F32 widened, F16 the whole graph half */
    uint64_t external_beyond; /* bytes: where the file would pass this, weights go to <path>.data; 0: 1.9 GB */
} hst_export_options;

/* Writes a model as standard ONNX. The files appear under their names at once, when all is written; older ones stay as
 * they were on failure. The model should have been loaded with HST_MODEL_GRAPH_ONLY: otherwise it is written as
 * rewritten for this library, with fused operators spelled out. Errors: IO, UNSUPPORTED (names a node that has no form
 * in the opset), INVALID_ARGUMENT (an option), NO_MEMORY. */
HST_API hst_status hst_model_export_onnx(const hst_model *model, const char *path, const hst_export_options *options,
                                         hst_error *err);

/* ---- engine files ---- */

typedef struct hst_compile_options {
    size_t size;
    const char *task; /* what hst_task_open takes where it is given none; NULL: what config.json suggests then */
    const char *folder; /* its tokenizer and small files (config.json …) are taken along; NULL: the model's own */
} hst_compile_options;

/* Writes a model as an engine file (.hst): its rewritten graph, its weights as the kernels of this machine read them,
 * its tokenizer and config. hst_model_load, hst_task_open and hst_tokenizer_load open such a file like any model, in
 * milliseconds whatever its size, and processes that use it share its pages. It is for this version of the library and
 * this CPU level (UNSUPPORTED elsewhere: compile again). Whatever the model was loaded with is fixed in it. The file
 * appears under its name when it is complete. Errors: IO, UNSUPPORTED, INVALID_ARGUMENT (a model that was loaded with
 * HST_MODEL_GRAPH_ONLY, or is an engine), NOT_FOUND (a `folder` with none of these files), NO_MEMORY, those of
 * hst_tokenizer_load. */
HST_API hst_status hst_model_compile(const hst_model *model, const char *path, const hst_compile_options *options,
                                     hst_error *err);
/* Reads a whole engine file and compares every checksum: BAD_FORMAT where one is wrong, or where it is no engine file.
 * Loading checks all but the one of the weights. Errors: also NOT_FOUND, IO, UNSUPPORTED (another version), NO_MEMORY. */
HST_API hst_status hst_engine_verify(const char *path, hst_error *err);

/* ---- sessions --------------------------------------------------------------------------------------------------- */

typedef struct hst_session hst_session;

/* What rows that the padding mask hides hold in token outputs ([batch, sequence, …] of an encoder whose mask was
 * recognised; in other outputs they are computed). Shown rows have the same bits either way. Where no output that is asked
 * for shows padding rows (heads of first tokens, masked pooling) they are never computed. Tasks use ZERO. */
typedef enum hst_padded_rows {
    HST_PADDED_ROWS_COMPUTE = 0, /* what ONNX defines */
    HST_PADDED_ROWS_ZERO         /* zeros: they need not be computed */
} hst_padded_rows;

typedef struct hst_session_options {
    size_t size;
    const hst_allocator *allocator; /* for temporaries, outputs and state; copied. NULL: the model's */
    /* Bytes that temporaries, outputs and state may take together, with what is kept for the next run, as allocated: what
     * would pass it is refused (BUDGET) before it is allocated, also in subgraphs, strings and sequences. Not in it:
     * outputs of earlier runs while the caller holds them, bound outputs, and the session's own notes, some hundred
     * bytes a node and a shape seen lately. A run that is refused leaves nothing of what was kept: its like may do then.
     * 0: 80 % of the memory that the machine and the cgroup had left when the session was made. */
    uint64_t memory_budget;
    int threads; /* at most this many of the team's; 1: its caller's thread alone; 0: all of the team's */
    hst_padded_rows padded_rows;
} hst_session_options;

/* Cheap: weights are the model's. Errors: IO (a mapped file of the model was cut), INVALID_ARGUMENT (an option, or a
 * model that was loaded with HST_MODEL_GRAPH_ONLY), NO_MEMORY. Ownership: hst_session_free; the model stays alive as
 * long. */
HST_API hst_status hst_session_new(hst_model *model, const hst_session_options *options, hst_session **out,
                                   hst_error *err);
HST_API void hst_session_free(hst_session *session);

/* One step of a run that has ended. Its texts live as long as the model. */
typedef struct hst_profile_event {
    const char *node, *op_type, *domain; /* node: "" where it has none */
    const char *kernel;                  /* what computed it; "" where the operator has no kernels */
    size_t step, steps;                  /* which of how many */
    uint64_t begin_ns, end_ns;           /* of hst_clock_ns */
    uint64_t output_bytes;
    hst_type output;       /* its first output */
    hst_type input;        /* its first input */
    uint64_t macs;         /* multiply-adds of its matrix products and attention; 0 where it has none */
    uint64_t weight_bytes; /* of constants that it read, as they are stored */
    uint64_t moved_bytes;  /* of its other inputs and its outputs */
} hst_profile_event;

typedef struct hst_run_options {
    size_t size;
    /* The run ends with CANCELLED soon after *cancel became other than 0; set it from another thread with hst_cancel. */
    const int *cancel;
    uint64_t deadline_ns;   /* hst_clock_ns() + what may be used; the run ends with DEADLINE soon after. 0: none */
    uint64_t memory_budget; /* bytes, as in hst_session_options; 0: the session's. The lower one counts. */
    /* Called on the caller's thread after each step. The event lives for the call. */
    void (*profile)(void *user, const hst_profile_event *event);
    void *profile_user;
    /* Called on the caller's thread now and then: steps of a session's run, texts of a task's. */
    void (*progress)(void *user, size_t done, size_t total);
    void *progress_user;
} hst_run_options;

/* Sets a cancel flag; safe from any thread and from a signal handler. */
HST_API void hst_cancel(int *flag);

/* Runs the model.
 *   inputs   in_names[k] is fed in[k]; in_names NULL: the model's own order, NULL for one that is left out. Inputs with a
 *            default, and those that are a state, may be left out. s32 is taken where the model wants s64, and s64 where
 *            it wants s32 if every element fits; any other dtype must be the model's. The shape must fit what is known of
 *            it; equal names of free dimensions must get equal lengths.
 *   outputs  out_names[k] is given to out[k]; out_names NULL: the model's own order. out[k] NULL: the session makes the
 *            tensor; its elements are never reused while a handle on them lives. out[k] not NULL: a bound output, whose
 *            memory is written; its dtype and shape must be the result's; strings, sequences and maps cannot be bound.
 *            Outputs may outlive the session. Only what the asked outputs need is promised to be computed.
 * Repeated runs with shapes seen lately allocate nothing but what the caller has kept of earlier outputs.
 * On failure out[] is as it was (the elements of bound outputs are undefined) and state is as before the run.
 * Errors: BUSY (another thread runs this session: nothing happened), NOT_FOUND (a name), BAD_SHAPE, INVALID_ARGUMENT,
 * BUDGET, NO_MEMORY, CANCELLED, DEADLINE, what a user operator returned; after each of them the session works.
 * Ownership: hst_tensor_free each out[k] that was NULL. */
HST_API hst_status hst_session_run(hst_session *session, size_t n_in, const char *const *in_names,
                                   const hst_tensor *const *in, size_t n_out, const char *const *out_names,
                                   hst_tensor **out, const hst_run_options *options, hst_error *err);

/* Bytes the session holds now, of those that its budget counts (between runs: state, and what is kept for the next run;
 * not the outputs in the caller's hands), and the most it ever held, in runs too. After a large run memory goes
 * back by itself: after 16 runs that need less than a quarter of it (other shapes, or the same where lengths depend on
 * data), the memory of temporaries shrinks to what such runs need; buffers of outputs that 16 runs did not use are
 * freed. hst_session_trim does not wait. What the C library keeps of freed memory is not counted: an allocator of one's
 * own decides that. */
HST_API uint64_t hst_session_memory(const hst_session *session, uint64_t *most);
/* Gives back all memory that is kept for the next run, which allocates again. BUSY while it runs. */
HST_API hst_status hst_session_trim(hst_session *session, hst_error *err);

/* ---- session state ---- */

/* State is carried from run to run inside a session: output `output` of one run becomes input `input` of the next without a
 * copy (key/value caches: `input` "past_key_values.0.key", `output` "present.0.key"). It is named by its input. */

/* Declares a state. `initial` is what the first run sees and what a reset goes back to (its elements are shared, those
 * of borrowed memory copied); NULL: the input's shape with every free dimension 0. May be called again to change it.
 * Errors: NOT_FOUND, BAD_SHAPE (initial does not fit the input, or the output does not fit it), INVALID_ARGUMENT
 * (initial is NULL, and the model does not tell the input's type), BUDGET, NO_MEMORY, BUSY. */
HST_API hst_status hst_session_state_declare(hst_session *session, const char *input, const char *output,
                                             const hst_tensor *initial, hst_error *err);
/* All these but _set and _get: `input` NULL means every declared state. Errors: NOT_FOUND, INVALID_ARGUMENT (an axis,
 * index or length), UNSUPPORTED (rows of strings or of elements below a byte), BAD_SHAPE (what is set does not fit the
 * input), BUDGET, NO_MEMORY, BUSY; on failure no state has changed. */
/* Back to the initial value. */
HST_API hst_status hst_session_state_reset(hst_session *session, const char *input, hst_error *err);
/* Row k along `axis` becomes the old row index[k], 0 <= index[k] < length: beams, dropped sequences. n may differ from the
 * old length. A negative axis counts from the end. */
HST_API hst_status hst_session_state_reorder(hst_session *session, const char *input, int axis, const int64_t *index,
                                             size_t n, hst_error *err);
/* Keeps the first `length` rows along `axis` (all, where there are fewer): tokens taken back. */
HST_API hst_status hst_session_state_truncate(hst_session *session, const char *input, int axis, int64_t length,
                                              hst_error *err);
/* Sets it, sharing the elements (those of borrowed memory are copied); or another handle on what it holds now
 * (hst_tensor_free it). */
HST_API hst_status hst_session_state_set(hst_session *session, const char *input, const hst_tensor *t, hst_error *err);
HST_API hst_status hst_session_state_get(hst_session *session, const char *input, hst_tensor **out, hst_error *err);

/* ---- tokenizers ------------------------------------------------------------------------------------------------- */

typedef struct hst_tokenizer hst_tokenizer;
typedef struct hst_encoding hst_encoding;

/* `path`: an engine file; a folder with tokenizer.json, or with vocab.txt and tokenizer_config.json; one of these files;
 * or the .onnx or .safetensors file of a model in such a folder (or in its folder "onnx"). `a` NULL: libc. Errors: NOT_FOUND, IO, BAD_FORMAT, UNSUPPORTED (names the component). Ownership:
 * hst_tokenizer_free. */
HST_API hst_status hst_tokenizer_load(const char *path, const hst_allocator *a, hst_tokenizer **out, hst_error *err);
/* From the texts of a tokenizer.json and a tokenizer_config.json (NULL: none), of so many bytes, which are not kept.
 * Errors and ownership as above. */
HST_API hst_status hst_tokenizer_load_memory(const char *json, size_t size, const char *config, size_t config_size,
                                             const hst_allocator *a, hst_tokenizer **out, hst_error *err);
HST_API void hst_tokenizer_free(hst_tokenizer *tokenizer);

typedef enum hst_padding {
    HST_PADDING_FILE = 0, /* what tokenizer.json asks for */
    HST_PADDING_NONE,
    HST_PADDING_FIXED /* to pad_length */
} hst_padding;

typedef struct hst_encode_options {
    size_t size;
    bool no_special_tokens; /* true: without [CLS], [SEP] … */
    /* Cut to at most this many tokens, special ones included; 0: what tokenizer.json asks for; SIZE_MAX: never. Of a
     * pair the longer text is cut first, unless tokenizer.json says which. */
    size_t max_length;
    size_t stride; /* with max_length, and less: tokens that a further window repeats of the one before it */
    hst_padding padding;
    size_t pad_length; /* of HST_PADDING_FIXED, in tokens; longer texts stay as they are */
} hst_encode_options;

/* What an encode writes, and the memory it works in: one per thread of use. Ownership: hst_encoding_free. */
HST_API hst_status hst_encoding_new(const hst_allocator *a, hst_encoding **out, hst_error *err);
HST_API void hst_encoding_free(hst_encoding *encoding);

/* Encodes one text, or a pair (`pair` not NULL), into `e`, whose earlier contents are lost; a text no longer than an
 * earlier one allocates nothing. Invalid UTF-8 is read as U+FFFD. Errors: INVALID_ARGUMENT (max_length leaves no room
 * for special tokens and stride, a text of more than 2^30 characters), NO_MEMORY: `e` then holds no tokens. */
HST_API hst_status hst_tokenizer_encode(const hst_tokenizer *tokenizer, hst_string text, const hst_string *pair,
                                        const hst_encode_options *options, hst_encoding *e, hst_error *err);
/* Where a text was cut: how many windows of max_length it makes, the first included; and window i of `from` (the
 * encoding that was encoded into) put into `out`, another one. Errors: INVALID_ARGUMENT (no window i, or `out` is
 * `from`), NO_MEMORY. */
HST_API size_t hst_encoding_window_count(const hst_encoding *e);
HST_API hst_status hst_tokenizer_window(const hst_tokenizer *tokenizer, const hst_encoding *from, size_t i,
                                        hst_encoding *out, hst_error *err);

typedef struct hst_span {
    uint32_t begin, end; /* first, and one after the last */
} hst_span;

/* Arrays of `count` that live until the next encode into `e`. */
HST_API size_t hst_encoding_count(const hst_encoding *e); /* tokens */
HST_API const int32_t *hst_encoding_ids(const hst_encoding *e);
HST_API const int32_t *hst_encoding_type_ids(const hst_encoding *e);       /* 0 first text, 1 second */
HST_API const uint8_t *hst_encoding_attention_mask(const hst_encoding *e); /* 0 for padding */
HST_API const uint8_t *hst_encoding_special_mask(const hst_encoding *e);   /* 1 for special tokens and padding */
/* Where a token stands in the text that it comes from, in bytes and in code points; 0,0 for special tokens. */
HST_API const hst_span *hst_encoding_offsets(const hst_encoding *e);
HST_API const hst_span *hst_encoding_char_offsets(const hst_encoding *e);
HST_API const int32_t *hst_encoding_words(const hst_encoding *e);    /* index of the word in its text, -1: none */
HST_API const int8_t *hst_encoding_sequences(const hst_encoding *e); /* 0 first text, 1 second, -1 neither */

/* Text of n ids; NUL-terminated, *size (NULL: not wanted) bytes long. Errors: INVALID_ARGUMENT (an id outside the
 * vocabulary). Ownership: hst_text_free(*text). */
HST_API hst_status hst_tokenizer_decode(const hst_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                        bool skip_special_tokens, char **text, size_t *size, hst_error *err);
HST_API size_t hst_tokenizer_vocab_size(const hst_tokenizer *tokenizer);             /* tokens, added ones included */
HST_API int32_t hst_tokenizer_id_limit(const hst_tokenizer *tokenizer);              /* the highest id + 1 */
HST_API const char *hst_tokenizer_token(const hst_tokenizer *tokenizer, int32_t id); /* NULL: no such id */
HST_API int32_t hst_tokenizer_id(const hst_tokenizer *tokenizer, const char *token); /* -1: no such token */
HST_API size_t hst_tokenizer_max_length(const hst_tokenizer *tokenizer); /* that the files state; 0: none */

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

typedef struct hst_task hst_task;
typedef struct hst_result hst_result;

typedef struct hst_task_options {
    size_t size;
    const hst_model_options *model;
    const hst_session_options *session;
    /* Tokens a text, special ones included; the rest is cut off, with a warning in the log. 0: what tokenizer and model
     * allow. */
    size_t max_length;
    size_t batch_tokens; /* texts are sorted by length and cut into runs of at most this many tokens; 0: chosen */
    int top_k;           /* answers a text; 0: the task's own (text-classification: 1), -1: all; not of embeddings */
} hst_task_options;

/* Opens a model together with its tokenizer and what its files say about its use. `path` as in hst_model_load; the files
 * beside it are read (tokenizer.json, config.json, modules.json …). `task` is a name or alias of hst_list_json("tasks"),
 * such as "text-classification", "sentiment-analysis", "feature-extraction", "sentence-embedding"; NULL: the one that
 * config.json suggests. Errors: those of hst_model_load and hst_tokenizer_load, NOT_FOUND (no such task), UNSUPPORTED (the
 * model does not fit it). Ownership: hst_task_free.
 *   text-classification  scores of classes as transformers' pipeline gives them: softmax; a sigmoid a class where config.json
 *                        says multi_label_classification or there is one class; the number itself for regression
 *   feature-extraction   the hidden state of every token, special ones included: [tokens, hidden]
 *   sentence-embedding   one vector, pooled and normalised as the files of sentence-transformers beside the model say;
 *                        without them the mean over the tokens, not normalised */
HST_API hst_status hst_task_open(const char *path, const char *task, const hst_task_options *options, hst_task **out,
                                 hst_error *err);
HST_API void hst_task_free(hst_task *task);
HST_API const char *hst_task_name(const hst_task *task);
/* What the task is made of, lent. */
HST_API const hst_model *hst_task_model(const hst_task *task);
HST_API const hst_tokenizer *hst_task_tokenizer(const hst_task *task);

/* Runs n texts (n may be 0); pairs NULL, or n second texts (data NULL: none for this one). Results stand in the order
 * of the texts, which need not live on. Deadline and cancel flag hold for the whole call, the budget for each run of
 * the model. Errors: as hst_session_run and hst_tokenizer_encode. Ownership: hst_result_free. */
HST_API hst_status hst_task_run_texts(hst_task *task, size_t n, const hst_string *texts, const hst_string *pairs,
                                      const hst_run_options *options, hst_result **out, hst_error *err);
HST_API void hst_result_free(hst_result *result);

/* An answer about one text: a class with its score or, where the task finds places in the text, a span. */
typedef struct hst_answer {
    const char *label; /* "" where the task has none; lives as long as the task */
    int id;            /* class index, -1 where there is none */
    float score;       /* 0 … 1 where the task defines a probability */
    size_t begin, end; /* bytes of the text; begin 0, end its size where the whole is meant */
} hst_answer;

HST_API size_t hst_result_count(const hst_result *result); /* texts */
HST_API size_t hst_result_tokens(const hst_result *result, size_t text); /* that the text became, special ones included */
HST_API size_t hst_result_answer_count(const hst_result *result, size_t text);
/* Best first, or in text order for spans; NULL where there is none. Lives as long as the result. */
HST_API const hst_answer *hst_result_answer(const hst_result *result, size_t text, size_t i);
/* Embeddings: f32 [hidden], or [tokens, hidden] for feature-extraction; NULL where the task gives none. Lent. */
HST_API const hst_tensor *hst_result_tensor(const hst_result *result, size_t text);
/* What stands for this text in a line of JSON Lines (no newline in it): {"label", "score"}, a list of such where top_k is
 * neither 0 nor 1, or the embedding as (nested) lists of numbers, null for NaN and infinities. Errors: INVALID_ARGUMENT (no such text),
 * NO_MEMORY. Ownership: hst_text_free(*json). */
HST_API hst_status hst_result_json(const hst_result *result, size_t text, char **json, hst_error *err);


#ifdef __cplusplus
}
#endif
#endif /* HASTEN_H */
