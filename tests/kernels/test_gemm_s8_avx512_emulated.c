/* The 8-bit linear layer of gemm_s8.avx512.c, emulated. */
#define EMULATED_FILE "../../src/kernels/gemm_s8/gemm_s8.avx512.c"
#include "gemm_s8_emulated.h"
