/* Coefficients of exp, erf and tanh, shared by the scalar and the vector form. Fitted by tools/fit_math.py (minimax of
 * the relative error over the reduced range), then moved to nearby f32 values that round best. */
#ifndef KERNELS_VEC_CONSTANTS_H
#define KERNELS_VEC_CONSTANTS_H

/* exp(x) = 2^n · exp(r), n = round(x / ln 2), r = x − n ln 2 in two parts; exp(r) = 1 + r + r² · q(r), |r| <= ln 2 / 2.
 * Beyond the bounds the result is 0 or infinity whatever x is. */
#define EXP_LOW      (-104.0f)
#define EXP_HIGH     89.0f
#define EXP_LOG2E    0x1.715476p+0f
#define EXP_LN2_HIGH 0x1.62e430p-1f
#define EXP_LN2_LOW  (-0x1.05c610p-29f)
static const float exp_q[5] = {0.499999933733f, 0.166665195211f, 0.0416684010156f, 0.00836885134333f,
                               0.00138143249986f};
/* exp of numbers that are not positive, as a softmax needs it: exactly 0 below the bound. Above it 2^n is in range at
 * once, and n is what stands last in the bits of EXP_SHIFT + x / ln 2: there 127 more, the exponent's bias. */
#define EXP_NONE  (-86.0f)
#define EXP_LN2   0x1.62e430p-1f
#define EXP_SHIFT 0x1.8000fep+23f

/* erf(x) = x · P(x²) / Q(x²), held at the limit, where it is 1. All coefficients are positive: nothing cancels. */
#define ERF_LIMIT 4.07f
static const float erf_p[6] = {0x1.20dd74p+0f, 0x1.8c6180p-3f,  0x1.b30284p-5f,
                               0x1.fcffd8p-9f, 0x1.2a63c0p-12f, 0x1.0aa964p-19f};
static const float erf_q[6] = {1.0f, 0x1.027cb4p-1f, 0x1.d8795cp-4f, 0x1.f24fe0p-7f, 0x1.36ca9ap-10f, 0x1.39e754p-15f};

/* tanh(x) = x · P(x²) / Q(x²) likewise. */
#define TANH_LIMIT 9.2f
static const float tanh_p[5] = {1.0f, 0x1.120b16p-3f, 0x1.ca2c30p-9f, 0x1.59c2bcp-16f, 0x1.cadb76p-27f};
static const float tanh_q[5] = {1.0f, 0x1.de5ad2p-2f, 0x1.a7f7d2p-6f, 0x1.5885b2p-12f, 0x1.a17f28p-21f};

#endif
