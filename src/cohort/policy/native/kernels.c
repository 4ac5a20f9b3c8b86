/* What a decode step and a training row do between their matrix products, a pass over memory each.

   Rows are contiguous. `bf16` says that the model's tensors hold bfloat16 and not float; everything
   is computed in float. Nothing here allocates or keeps anything. Reductions may be
   reordered (omp simd); nothing else of IEEE arithmetic is given up, so a NaN stays one. */

#include "common.h"

#define BY_TYPE(call, bf16) do { if (bf16) { call(1); } else { call(0); } } while (0)

/* x / rms(x) * weight: [rows, width]; `inverse` [rows] is kept for the gradient where it is not 0. */
void rms_norm(const void *x, const void *weight, void *out, float *inverse, int64_t rows,
              int64_t width, float epsilon, int bf16) {
#define BODY(b)                                                                        \
    for (int64_t row = 0; row < rows; row++) {                                         \
        int64_t start = row * width;                                                   \
        float scale = inverse_rms(x, start, width, epsilon, b);                        \
        if (inverse) inverse[row] = scale;                                             \
        _Pragma("omp simd") for (int64_t i = 0; i < width; i++)                        \
            put(out, start + i, b, at(x, start + i, b) * scale * at(weight, i, b));    \
    }
    BY_TYPE(BODY, bf16);
#undef BODY
}

/* Its gradients: of x [rows, width], and of the weight [width], which is added to. */
void rms_norm_backward(const void *gradient, const void *x, const void *weight,
                       const float *inverse, void *of_x, float *of_weight, int64_t rows,
                       int64_t width, int bf16) {
#define BODY(b)                                                                        \
    for (int64_t row = 0; row < rows; row++) {                                         \
        int64_t start = row * width;                                                   \
        float scale = inverse[row], along = 0.0f;                                      \
        _Pragma("omp simd reduction(+ : along)") for (int64_t i = 0; i < width; i++)   \
            along += at(gradient, start + i, b) * at(weight, i, b) * at(x, start + i, b); \
        along *= scale * scale / (float)width;                                         \
        _Pragma("omp simd") for (int64_t i = 0; i < width; i++) {                      \
            float value = at(x, start + i, b), slope = at(gradient, start + i, b);     \
            of_weight[i] += slope * value * scale;                                     \
            put(of_x, start + i, b, scale * (slope * at(weight, i, b) - value * along)); \
        }                                                                              \
    }
    BY_TYPE(BODY, bf16);
#undef BODY
}

/* silu(gate) * up of [rows, gate | up], each `width` wide. */
void gated(const void *x, void *out, int64_t rows, int64_t width, int bf16) {
#define BODY(b)                                                                        \
    for (int64_t row = 0; row < rows; row++) {                                         \
        int64_t from = 2 * row * width, to = row * width;                              \
        _Pragma("omp simd") for (int64_t i = 0; i < width; i++) {                      \
            float gate = at(x, from + i, b);                                           \
            float open = gate / (1.0f + exponential(-gate));                           \
            put(out, to + i, b, open * at(x, from + width + i, b));                    \
        }                                                                              \
    }
    BY_TYPE(BODY, bf16);
#undef BODY
}

void gated_backward(const void *gradient, const void *x, void *of_x, int64_t rows, int64_t width,
                    int bf16) {
#define BODY(b)                                                                        \
    for (int64_t row = 0; row < rows; row++) {                                         \
        int64_t from = 2 * row * width, to = row * width;                              \
        _Pragma("omp simd") for (int64_t i = 0; i < width; i++) {                      \
            float gate = at(x, from + i, b), up = at(x, from + width + i, b);          \
            float slope = at(gradient, to + i, b);                                     \
            float share = 1.0f / (1.0f + exponential(-gate));                          \
            put(of_x, from + i, b, slope * up * share * (1.0f + gate * (1.0f - share))); \
            put(of_x, from + width + i, b, slope * gate * share);                      \
        }                                                                              \
    }
    BY_TYPE(BODY, bf16);
#undef BODY
}

/* A token per row of logits [rows, vocabulary] / temperature[row], by inverse transform of its
   uniform: the first at which the cumulative sum exceeds uniform * sum. With its log-probability. */
void draw(const void *logits, const float *temperature, const double *uniform, float *scratch,
          int64_t *token, float *logprob, int64_t rows, int64_t vocabulary, int bf16) {
    for (int64_t row = 0; row < rows; row++) {
        float cool = 1.0f / temperature[row], most = -INFINITY;
        double sum = 0.0, seen = 0.0;
        for (int64_t i = 0; i < vocabulary; i++)
            scratch[i] = at(logits, row * vocabulary + i, bf16) * cool;
#pragma omp simd reduction(max : most)
        for (int64_t i = 0; i < vocabulary; i++) most = scratch[i] > most ? scratch[i] : most;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < vocabulary; i++)
            sum += (double)(scratch[i] = exponential(scratch[i] - most));
        double target = uniform[row] * sum;
        int64_t found = vocabulary - 1;
        for (int64_t i = 0; i < vocabulary; i++) {
            seen += (double)scratch[i];
            if (seen > target) {
                found = i;
                break;
            }
        }
        token[row] = found;
        logprob[row] = at(logits, row * vocabulary + found, bf16) * cool - most - (float)log(sum);
    }
}
