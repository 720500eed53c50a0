#include "passes/padding.h"

bool padding_is_zero(const value *v, const value *mask) {
    (void)v, (void)mask;
    return false;
}
bool padding_absorbs(const node *n, const value *mask) {
    (void)n, (void)mask;
    return false;
}
