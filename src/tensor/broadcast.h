/* Multidirectional broadcasting (ONNX Broadcasting.md, numpy rules) for slow and fast paths alike. */
#ifndef TENSOR_BROADCAST_H
#define TENSOR_BROADCAST_H

#include "tensor/tensor.h"

/* Broadcast shape of n shapes; BAD_SHAPE names the axis and the two numbers. */
hst_status broadcast_shape(const hst_tensor *const *in, int n, int *rank, int64_t *dim, hst_error *err);

/* Walks an output of shape (rank, dim) in row-major order, giving for each of up to 3 inputs its element offset. The
 * innermost run is handed out whole: loop `while (broadcast_next(&w))` over runs of w.run elements, where input k starts
 * at element w.offset[k] and steps by w.step[k] (0 or 1). */
#define BROADCAST_INPUTS 4
typedef struct broadcast_walk {
    int64_t run, output;                /* length of a run; output's element offset */
    int64_t offset[BROADCAST_INPUTS];
    int64_t step[BROADCAST_INPUTS];
    /* private */
    int rank, inputs;
    bool started;
    int64_t dim[HST_RANK_MAX], index[HST_RANK_MAX], stride[BROADCAST_INPUTS][HST_RANK_MAX];
} broadcast_walk;
void broadcast_begin(broadcast_walk *w, int rank, const int64_t *dim, const hst_tensor *const *in, int n);
bool broadcast_next(broadcast_walk *w);

#endif
