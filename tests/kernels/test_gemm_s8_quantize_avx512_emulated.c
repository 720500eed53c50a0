/* The row quantiser of gemm_s8_quantize.avx512.c, emulated. */
#define EMULATED_FILE "../../src/kernels/gemm_s8/gemm_s8_quantize.avx512.c"
#define EMULATED_QUANTISER
#include "gemm_s8_emulated.h"
