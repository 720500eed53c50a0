/* The 8-bit linear layer of gemm_s8.amx.c, emulated. */
#define EMULATED_FILE  "../../src/kernels/gemm_s8/gemm_s8.amx.c"
#define EMULATED_TILES 1
#include "gemm_s8_emulated.h"
