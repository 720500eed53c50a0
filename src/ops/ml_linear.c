/* Linear and support vector models (ai.onnx.ml), x [rows, F].
 *   LinearRegressor    y = x w + b -> f32 [rows, targets]       LinearClassifier  the same, the best one's label,
 * scores SVMRegressor       sum over supports of coefficient kernel(x, support) + rho, or its sign (one_class)
 *   SVMClassifier      one such sum for each pair of classes, which votes; with prob_a, prob_b probabilities of the
 * classes (libsvm's pairwise coupling); without supports linear kernel: linear a.b, poly (gamma a.b + coef0)^degree,
 * rbf exp(-gamma |a - b|²), sigmoid tanh(gamma a.b + coef0). In f64. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/ml.h"

static hst_status bad(const eval_context *c, hst_error *err, const char *what) {
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s", what);
}

static hst_status scratch_f64(eval_context *c, int64_t n, double **out, hst_error *err) {
    void *memory;
    size_t bytes;
    if (n < 0 || !size_mul((size_t)n, sizeof(double), &bytes)) return error_no_memory(err, SIZE_MAX, "scores");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *out = memory;
    return HST_STATUS_OK;
}

static double dot(const double *x, const float *w, int64_t n) {
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += x[k] * (double)w[k];
    return sum;
}

/* ---- linear ---- */

static hst_status infer_regressor(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    int64_t targets = c->node->op_type[0] == 'L' ? node_int(c->node, "targets", 1) : 1;
    (void)err;
    c->out[0].dtype = HST_DTYPE_F32;
    c->out[0].rank = 2;
    c->out[0].dim[0] = x->rank == 2 ? x->dim[0] : x->rank == 1 ? 1 : dim_symbol(c->model, "");
    c->out[0].dim[1] = targets > 0 ? targets : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static hst_status infer_linear(infer_context *c, hst_error *err) {
    ml_labels l = ml_read_labels(c->node, "classlabels_ints", "classlabels_strings");
    (void)err;
    return ml_infer_classes(c, &l);
}

static hst_status eval_linear(eval_context *c, hst_error *err) {
    bool classifies = c->node->op_type[6] == 'C';
    ml_labels l = {0};
    if (classifies) l = ml_read_labels(c->node, "classlabels_ints", "classlabels_strings");
    const double *x;
    int64_t rows, features, n_w, n_b, outs;
    ml_post post;
    HST_TRY(ml_read_post(c->node, &post, err));
    HST_TRY(ml_rows(c, &x, &rows, &features, err));
    const float *w = ml_floats(c->node, "coefficients", &n_w), *b = ml_floats(c->node, "intercepts", &n_b);
    outs = classifies ? (features ? n_w / features : 0) : node_int(c->node, "targets", 1);
    if (outs < 1 || features < 1 || n_w / outs != features || n_w % outs || (b && n_b != outs))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld coefficients and %lld intercepts for %lld features",
                          (long long)n_w, (long long)n_b, (long long)features);
    bool second = classifies && outs == 1 && l.n == 2;
    int64_t dims[2] = {rows, outs + second};
    carry z = {0};
    hst_tensor *labels = NULL;
    double *s = NULL;
    HST_TRY(scratch_f64(c, outs + 1, &s, err));
    if (classifies) HST_TRY(ml_labels_begin(c, &l, rows, &labels, err));
    if (!classifies || eval_wants(c, 1)) HST_TRY(carry_out(c, classifies, HST_DTYPE_F32, 2, dims, &z, err));
    for (int64_t r = 0; r < rows; r++, x += features) {
        for (int64_t k = 0; k < outs; k++) s[k] = dot(x, w + k * features, features) + (b ? (double)b[k] : 0);
        if (second) {
            s[1] = s[0];
            s[0] = -s[1];
        }
        bool alone = dims[1] == 1;
        ml_transform(s, dims[1], post);
        if (labels && alone) {
            bool positive = s[0] >= (post == ML_NONE ? 0 : 0.5);
            ml_label_set(labels, &l, r, positive ? 0 : -1);
            if (!l.strings) ((int64_t *)labels->data)[r] = positive ? (l.ints ? l.ints[0] : 1) : 0;
        } else if (labels) {
            ml_label_set(labels, &l, r, ml_argmax(s, dims[1]));
        }
        if (z.t) memcpy(z.x + r * dims[1], s, (size_t)dims[1] * sizeof *s);
    }
    if (z.t) carry_done(&z);
    return labels ? move_done(labels, labels->data, err) : HST_STATUS_OK;
}

/* ---- support vectors ---- */

typedef struct svm {
    char kernel; /* L, P, R, S */
    double gamma, coef0, degree;
    const float *vectors, *w, *rho;
    int64_t n_vectors, n_w, n_rho, supports, features;
} svm;

static hst_status read_svm(eval_context *c, svm *s, int64_t supports, int64_t features, hst_error *err) {
    const char *kernel = node_string(c->node, "kernel_type", "LINEAR");
    int64_t n;
    const float *p = ml_floats(c->node, "kernel_params", &n);
    *s = (svm){.kernel = supports ? kernel[0] : 'L', .supports = supports, .features = features};
    if (strcmp(kernel, "LINEAR") && strcmp(kernel, "POLY") && strcmp(kernel, "RBF") && strcmp(kernel, "SIGMOID"))
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "kernel_type '%s' is unknown", kernel);
    if (n >= 3) {
        s->gamma = (double)p[0];
        s->coef0 = (double)p[1];
        s->degree = (double)p[2];
    }
    s->vectors = ml_floats(c->node, "support_vectors", &s->n_vectors);
    s->w = ml_floats(c->node, "coefficients", &s->n_w);
    s->rho = ml_floats(c->node, "rho", &s->n_rho);
    int64_t need;
    if (supports < 0 || !s64_mul(supports, features, &need) || (supports && s->n_vectors != need) || s->n_rho < 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld numbers of %lld support vectors of %lld features",
                          (long long)s->n_vectors, (long long)supports, (long long)features);
    return HST_STATUS_OK;
}

static double kernel_of(const svm *s, const double *x, const float *v) {
    double sum = 0;
    for (int64_t k = 0; k < s->features; k++) {
        double a = x[k], b = (double)v[k];
        sum += s->kernel == 'R' ? (a - b) * (a - b) : a * b;
    }
    if (s->kernel == 'R') return exp(-s->gamma * sum);
    if (s->kernel == 'P') return pow(s->gamma * sum + s->coef0, s->degree);
    return s->kernel == 'S' ? tanh(s->gamma * sum + s->coef0) : sum;
}

static hst_status eval_svm_regressor(eval_context *c, hst_error *err) {
    const double *x;
    int64_t rows, features, supports = node_int(c->node, "n_supports", 0);
    ml_post post;
    svm s;
    carry y;
    HST_TRY(ml_read_post(c->node, &post, err));
    HST_TRY(ml_rows(c, &x, &rows, &features, err));
    HST_TRY(read_svm(c, &s, supports, features, err));
    if (s.n_w != (supports ? supports : features)) return bad(c, err, "the number of coefficients does not fit");
    int64_t dims[2] = {rows, 1};
    HST_TRY(carry_out(c, 0, HST_DTYPE_F32, 2, dims, &y, err));
    bool sign = node_int(c->node, "one_class", 0) != 0;
    for (int64_t r = 0; r < rows; r++, x += features) {
        double sum = supports ? 0 : dot(x, s.w, features);
        HST_TRY(c->runtime->check(c, err));
        for (int64_t k = 0; k < supports; k++) sum += (double)s.w[k] * kernel_of(&s, x, s.vectors + k * features);
        sum += (double)s.rho[0];
        y.x[r] = sign ? (sum > 0 ? 1 : -1) : sum;
        ml_transform(&y.x[r], 1, post);
    }
    carry_done(&y);
    return HST_STATUS_OK;
}

/* libsvm's multiclass probabilities from pairwise ones, r [k, k]; q [k, k] and qp [k] are scratch. */
static void couple(int64_t k, const double *r, double *q, double *qp, double *p) {
    for (int64_t t = 0; t < k; t++) {
        p[t] = 1.0 / (double)k;
        q[t * k + t] = 0;
        for (int64_t j = 0; j < k; j++) {
            if (j == t) continue;
            q[t * k + t] += r[j * k + t] * r[j * k + t];
            q[t * k + j] = -r[j * k + t] * r[t * k + j];
        }
    }
    for (int64_t i = 0, most = k > 100 ? k : 100; i < most; i++) {
        double pqp = 0, error = 0;
        for (int64_t t = 0; t < k; t++) {
            qp[t] = 0;
            for (int64_t j = 0; j < k; j++) qp[t] += q[t * k + j] * p[j];
            pqp += p[t] * qp[t];
        }
        for (int64_t t = 0; t < k; t++) error = fmax(error, fabs(qp[t] - pqp));
        if (!(error >= 0.005 / (double)k)) return;
        for (int64_t t = 0; t < k; t++) {
            double d = (pqp - qp[t]) / q[t * k + t];
            p[t] += d;
            pqp = (pqp + d * (d * q[t * k + t] + 2 * qp[t])) / (1 + d) / (1 + d);
            for (int64_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + d * q[t * k + j]) / (1 + d);
                p[j] /= 1 + d;
            }
        }
    }
}

typedef struct classifier {
    svm s;
    ml_labels labels;
    int64_t classes, pairs;
    const int64_t *per_class; /* supports of each class */
    const float *a, *b;       /* NULL: no probabilities */
    double *kernel, *score, *vote, *r, *q, *qp, *p;
} classifier;

/* Scores of the pairs, votes of the classes. */
static void vote(classifier *m, const double *x) {
    int64_t at = 0, begin_i = 0;
    for (int64_t k = 0; k < m->s.supports; k++) m->kernel[k] = kernel_of(&m->s, x, m->s.vectors + k * m->s.features);
    memset(m->vote, 0, (size_t)m->classes * sizeof *m->vote);
    for (int64_t i = 0; i < m->classes; begin_i += m->per_class[i++]) {
        int64_t begin_j = begin_i + m->per_class[i];
        for (int64_t j = i + 1; j < m->classes; begin_j += m->per_class[j++], at++) {
            double sum = (double)m->s.rho[at];
            const float *wi = m->s.w + (j - 1) * m->s.supports + begin_i, *wj = m->s.w + i * m->s.supports + begin_j;
            for (int64_t k = 0; k < m->per_class[i]; k++) sum += (double)wi[k] * m->kernel[begin_i + k];
            for (int64_t k = 0; k < m->per_class[j]; k++) sum += (double)wj[k] * m->kernel[begin_j + k];
            m->score[at] = sum;
            m->vote[sum > 0 ? i : j] += 1;
        }
    }
}

static void probabilities(classifier *m) {
    int64_t at = 0, k = m->classes;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i + 1; j < k; j++, at++) {
            double p = 1 - 1 / (1 + exp(-(m->score[at] * (double)m->a[at] + (double)m->b[at])));
            p = fmin(fmax(p, 1e-7), 1 - 1e-7);
            m->r[i * k + j] = p;
            m->r[j * k + i] = 1 - p;
        }
    couple(k, m->r, m->q, m->qp, m->p);
}

static hst_status make_classifier(eval_context *c, classifier *m, int64_t features, hst_error *err) {
    int64_t n_per, n_a, n_b, supports = 0, need;
    m->labels = ml_read_labels(c->node, "classlabels_ints", "classlabels_strings");
    m->per_class = ml_ints(c->node, "vectors_per_class", &n_per);
    for (int64_t k = 0; k < n_per; k++)
        if (m->per_class[k] < 0 || !s64_add(supports, m->per_class[k], &supports)) supports = INT64_MAX;
    HST_TRY(read_svm(c, &m->s, supports, features, err));
    m->classes = m->labels.n ? m->labels.n : 1;
    m->pairs = supports ? m->classes * (m->classes - 1) / 2 : m->classes;
    bool fits = m->classes < 1 << 20 && (!supports || (n_per == m->classes && m->s.n_rho >= m->pairs)) &&
                s64_mul(supports ? m->classes - 1 : m->classes, supports ? supports : features, &need) &&
                m->s.n_w == need;
    m->a = ml_floats(c->node, "prob_a", &n_a);
    m->b = ml_floats(c->node, "prob_b", &n_b);
    if (!supports) m->a = NULL;
    if (!fits || (m->a && (n_a < m->pairs || n_b < m->pairs)))
        return bad(c, err, "classes, vectors_per_class, coefficients, rho and probabilities do not fit each other");
    int64_t square = m->a ? m->classes * m->classes : 0;
    HST_TRY(scratch_f64(c, supports, &m->kernel, err));
    HST_TRY(scratch_f64(c, m->pairs + 2, &m->score, err));
    HST_TRY(scratch_f64(c, m->classes, &m->vote, err));
    HST_TRY(scratch_f64(c, square, &m->r, err));
    HST_TRY(scratch_f64(c, square, &m->q, err));
    HST_TRY(scratch_f64(c, m->classes, &m->qp, err));
    return scratch_f64(c, m->classes + 1, &m->p, err);
}

static hst_status eval_svm_classifier(eval_context *c, hst_error *err) {
    const double *x;
    int64_t rows, features;
    ml_post post;
    classifier m = {0};
    hst_tensor *labels;
    carry z = {0};
    HST_TRY(ml_read_post(c->node, &post, err));
    HST_TRY(ml_rows(c, &x, &rows, &features, err));
    HST_TRY(make_classifier(c, &m, features, err));
    int64_t scores = m.a ? m.classes : m.pairs, second = scores == 1 && m.labels.n == 2;
    int64_t dims[2] = {rows, scores + second};
    HST_TRY(ml_labels_begin(c, &m.labels, rows, &labels, err));
    if (eval_wants(c, 1)) HST_TRY(carry_out(c, 1, HST_DTYPE_F32, 2, dims, &z, err));
    for (int64_t r = 0; r < rows; r++, x += features) {
        double *s = m.a ? m.p : m.score;
        HST_TRY(c->runtime->check(c, err));
        if (m.s.supports) {
            vote(&m, x);
        } else {
            for (int64_t k = 0; k < m.classes; k++) s[k] = dot(x, m.s.w + k * features, features) + (double)m.s.rho[0];
        }
        if (m.a) probabilities(&m);
        int64_t best = m.s.supports ? ml_argmax(m.vote, m.classes) : ml_argmax(s, m.classes);
        ml_label_set(labels, &m.labels, r, m.labels.n > 1 ? best : s[0] > 0);
        if (!z.t) continue;
        if (second) {
            s[1] = s[0];
            s[0] = -s[1];
        }
        ml_transform(s, dims[1], post);
        memcpy(z.x + r * dims[1], s, (size_t)dims[1] * sizeof *s);
    }
    if (z.t) carry_done(&z);
    return move_done(labels, labels->data, err);
}

// clang-format off
static const op_case regressor_cases[] = {
    {"two targets", 0, "(f32[1,2]{1 2}; targets=2, coefficients=[1.0,2.0,3.0,4.0], intercepts=[0.5,0.0]) -> (f32[1,2]{5.5 11})", 0}, {0}};
static const op_case classifier_cases[] = {
    {"three classes", 0, "(f32[2,1]{1 -1}; coefficients=[1.0,0.0,-1.0], intercepts=[0.0,0.5,0.0], classlabels_ints=[4,5,6]) -> (s64[2]{4 6}, f32[2,3]{1 0.5 -1 -1 0.5 1})", 0},
    {"two classes of one score", 0, "(f64[1,1]{0}; coefficients=[1.0], intercepts=[0.0], classlabels_strings=[\"a\",\"b\"], post_transform=\"LOGISTIC\") -> (string[1]{\"a\"}, f32[1,2]{0.5 0.5})", 0}, {0}};
static const op_case svr_cases[] = {
    {"rbf", 0, "(f32[1,1]{1}; kernel_type=\"RBF\", kernel_params=[1.0,0.0,0.0], n_supports=2, support_vectors=[1.0,2.0], coefficients=[2.0,1.0], rho=[0.5]) -> (f32[1,1]{2.86787944})", 1e-6},
    {"one class", 0, "(f32[1,1]{1}; n_supports=1, support_vectors=[1.0], coefficients=[-2.0], rho=[0.5], one_class=1) -> (f32[1,1]{-1})", 0}, {0}};
static const op_case svc_cases[] = {
    {"two classes", 0, "(f32[2,1]{3 -3}; support_vectors=[1.0,-1.0], vectors_per_class=[1,1], coefficients=[1.0,-1.0], rho=[0.0], classlabels_ints=[0,1]) -> (s64[2]{0 1}, f32[2,2]{-6 6 6 -6})", 0},
    {"linear", 0, "(s64[1,1]{2}; coefficients=[1.0,2.0,-1.0], rho=[0.0], classlabels_strings=[\"a\",\"b\",\"c\"]) -> (string[1]{\"b\"}, f32[1,3]{2 4 -2})", 0}, {0}};

#define MODEL(name_, outs_, infer_, eval_, summary_, cases_)                                                           \
    {.name = name_, .domain = "ai.onnx.ml", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = outs_,      \
     .infer = infer_, .eval = eval_, .summary = summary_, HST_CASES(cases_)}

HST_OP(ai_onnx_ml_LinearRegressor) = MODEL("LinearRegressor", 1, infer_regressor, eval_linear, "a linear model", regressor_cases);
HST_OP(ai_onnx_ml_LinearClassifier) = MODEL("LinearClassifier", 2, infer_linear, eval_linear, "classes by linear scores", classifier_cases);
HST_OP(ai_onnx_ml_SVMRegressor) = MODEL("SVMRegressor", 1, infer_regressor, eval_svm_regressor, "a support vector machine", svr_cases);
HST_OP(ai_onnx_ml_SVMClassifier) = MODEL("SVMClassifier", 2, infer_linear, eval_svm_classifier, "classes by support vectors", svc_cases);
// clang-format on
