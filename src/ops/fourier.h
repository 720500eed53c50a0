/* The discrete Fourier transform of n complex numbers, any n >= 1, in f64: mixed radices where n has small prime
 * factors, Bluestein's convolution where it has not. */
#ifndef OPS_FOURIER_H
#define OPS_FOURIER_H

#include "ops/op.h"

typedef struct complex_f64 {
    double re, im;
} complex_f64;

typedef struct fourier {
    int64_t n;
    complex_f64 *root;                    /* [n]: exp(-2 pi i k / n); Bluestein: of the padded length */
    int64_t padded;                       /* 0: mixed radices */
    complex_f64 *chirp, *response, *work; /* work: 2 n, or 2 padded */
} fourier;

/* Tables in scratch of the evaluation. */
hst_status fourier_make(eval_context *c, int64_t n, fourier *f, hst_error *err);
/* z[k] = sum over j of z[j] exp(-+2 pi i j k / n), in place; the inverse is divided by n. */
void fourier_run(const fourier *f, complex_f64 *z, bool inverse);

#endif
