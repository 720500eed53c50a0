/* What the elements of a padding mask mean where they are neither 0 nor 1: what a pass has found out, and attention
 * does. Which keys are seen; or (linear) what is added to the score of each, (1 - element) mask_value. */
#ifndef GRAPH_MASK_MEANING_H
#define GRAPH_MASK_MEANING_H

#include <stdbool.h>

typedef enum mask_meaning { MASK_NONZERO, MASK_ONE, MASK_POSITIVE, MASK_LINEAR, MASK_MEANINGS } mask_meaning;

/* What is added to a score; the same for all of them where the element is 0 or 1. */
static inline float mask_adds(mask_meaning meaning, double element, float mask_value) {
    if (meaning == MASK_LINEAR) return element == 1 ? 0 : (1 - (float)element) * mask_value;
    const bool seen = meaning == MASK_ONE ? element == 1 : meaning == MASK_POSITIVE ? element > 0 : element != 0;
    return seen ? 0 : mask_value;
}

#endif
