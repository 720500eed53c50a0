/* Adding columns into an image, what ConvTranspose and Col2Im share: y[o] += column[tap][l], o = l stride - begin + tap
 * dilation. */
#ifndef OPS_FOLD_PLANES_H
#define OPS_FOLD_PLANES_H

#include "ops/sliding.h"

/* One plane. w: rank, kernel, stride, dilation, begin; in[]: the image's lengths, out[]: the columns'. `columns`,
 * [taps, out …] f64, are added to y in the order of the taps. */
void fold_plane(const window *w, const double *columns, double *y);

#endif
