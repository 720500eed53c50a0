/* The FMA loop by which the machine's peak is measured, by the command and by bench/gemm.c: 12 independent chains,
 * which hide the latency of every unit. Every second FMA reads an operand from the first level cache, as the FMAs of
 * any product do on the average: clocks fall with the power that is drawn, and a loop in registers alone runs at one
 * that no product ever sees. */
#ifndef CLI_FMA_LOOP_H
#define CLI_FMA_LOOP_H

#include "base/cpu.h"

#define FMA_LOOPS  400000
#define FMA_CHAINS 12

static const _Alignas(64) float fma_operands[16 * FMA_CHAINS]; /* what is multiplied does not matter */

/* The same address, of which the compiler does not know that it is: what is read there is read each time. */
static inline const float *in_memory(const float *at) {
    __asm__ volatile("" : "+r"(at));
    return at;
}

#if defined(__x86_64__)
#include <immintrin.h>

static inline __attribute__((target("avx512f"))) double fma_avx512(volatile float *sink) {
    __m512 acc[FMA_CHAINS];
    const __m512 x = _mm512_set1_ps(0.999f);
    for (int i = 0; i < FMA_CHAINS; i++) acc[i] = _mm512_set1_ps((float)i);
    for (int k = 0; k < FMA_LOOPS; k++) {
        const float *from = in_memory(fma_operands);
#pragma GCC unroll 12
        for (int i = 0; i < FMA_CHAINS; i++)
            acc[i] = _mm512_fmadd_ps(x, i % 2 ? x : _mm512_loadu_ps(from + 16 * i), acc[i]);
    }
    for (int i = 0; i < FMA_CHAINS; i++) *sink += _mm512_cvtss_f32(acc[i]);
    return 2.0 * 16 * FMA_CHAINS * FMA_LOOPS;
}

static inline __attribute__((target("avx2,fma"))) double fma_avx2(volatile float *sink) {
    __m256 acc[FMA_CHAINS];
    const __m256 x = _mm256_set1_ps(0.999f);
    for (int i = 0; i < FMA_CHAINS; i++) acc[i] = _mm256_set1_ps((float)i);
    for (int k = 0; k < FMA_LOOPS; k++) {
        const float *from = in_memory(fma_operands);
#pragma GCC unroll 12
        for (int i = 0; i < FMA_CHAINS; i++)
            acc[i] = _mm256_fmadd_ps(x, i % 2 ? x : _mm256_loadu_ps(from + 8 * i), acc[i]);
    }
    for (int i = 0; i < FMA_CHAINS; i++) *sink += _mm256_cvtss_f32(acc[i]);
    return 2.0 * 8 * FMA_CHAINS * FMA_LOOPS;
}
#elif defined(__aarch64__)
#include <arm_neon.h>

static inline double fma_neon(volatile float *sink) {
    float32x4_t acc[2 * FMA_CHAINS];
    const float32x4_t x = vdupq_n_f32(0.999f);
    for (int i = 0; i < 2 * FMA_CHAINS; i++) acc[i] = vdupq_n_f32((float)i);
    for (int k = 0; k < FMA_LOOPS; k++) {
        const float *from = in_memory(fma_operands);
#pragma GCC unroll 24
        for (int i = 0; i < 2 * FMA_CHAINS; i++) acc[i] = vfmaq_f32(acc[i], x, i % 2 ? x : vld1q_f32(from + 4 * i));
    }
    for (int i = 0; i < 2 * FMA_CHAINS; i++) *sink += vgetq_lane_f32(acc[i], 0);
    return 2.0 * 4 * 2 * FMA_CHAINS * FMA_LOOPS;
}
#endif

/* Without vector kernels: multiply, then add. */
static inline double fma_plain(volatile float *sink) {
    float acc[FMA_CHAINS];
    for (int i = 0; i < FMA_CHAINS; i++) acc[i] = (float)i;
    for (int k = 0; k < FMA_LOOPS; k++)
#pragma GCC unroll 12
        for (int i = 0; i < FMA_CHAINS; i++) acc[i] = acc[i] * 0.999f + 1e-6f;
    for (int i = 0; i < FMA_CHAINS; i++) *sink += acc[i];
    return 2.0 * FMA_CHAINS * FMA_LOOPS;
}

/* Runs the loop of the level in use; gives how many operations it did. */
static inline double fma_burst(volatile float *sink) {
#if defined(__x86_64__)
    if (cpu_has(CPU_AVX512)) return fma_avx512(sink);
    if (cpu_has(CPU_AVX2)) return fma_avx2(sink);
#elif defined(__aarch64__)
    if (cpu_has(CPU_NEON)) return fma_neon(sink);
#endif
    return fma_plain(sink);
}

#endif
