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

/* Its gradients: of x [rows, width], to which `more` is added where it is not 0, and of the weight [width],
   which is added to. */
void rms_norm_backward(const void *gradient, const void *x, const void *weight,
                       const float *inverse, const void *more, void *of_x, float *of_weight,
                       int64_t rows, int64_t width, int bf16) {
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
            put(of_x, start + i, b, scale * (slope * at(weight, i, b) - value * along) \
                                        + (more ? at(more, start + i, b) : 0.0f));     \
        }                                                                              \
    }
    BY_TYPE(BODY, bf16);
#undef BODY
}

/* Queries and keys of a joint projection [rows, query + 2 key heads, width], normed where there are weights, and
   rotated, rounded where torch's operations round: pairs are half of the width apart, and the sine's first half is
   negated. `inverse` [rows,
   query + key heads] is kept for the gradient. */
void heads(const void *mixed, const void *query_norm, const void *key_norm, const void *cosine,
           const void *sine, void *queries, void *keys, float *inverse, int64_t rows,
           int64_t query, int64_t key, int64_t width, float epsilon, int bf16) {
    int64_t half = width / 2, count = query + key;
#define BODY(b)                                                                        \
    for (int64_t row = 0; row < rows; row++)                                           \
        for (int64_t head = 0; head < count; head++) {                                 \
            int64_t from = (row * (count + key) + head) * width, turn = row * width;   \
            const void *norm = head < query ? query_norm : key_norm;                   \
            void *out = head < query ? queries : keys;                                 \
            int64_t to = head < query ? (row * query + head) * width                   \
                                      : (row * key + head - query) * width;            \
            float unit[WIDEST], scale = 1.0f;                                          \
            if (norm) inverse[row * count + head] = scale = inverse_rms(mixed, from, width, epsilon, b); \
            if (norm)                                                                  \
                _Pragma("omp simd") for (int64_t i = 0; i < width; i++)                \
                    unit[i] = kept(at(mixed, from + i, b) * scale * at(norm, i, b), b); \
            else                                                                       \
                _Pragma("omp simd") for (int64_t i = 0; i < width; i++)                \
                    unit[i] = at(mixed, from + i, b);                                  \
            _Pragma("omp simd") for (int64_t i = 0; i < half; i++) {                   \
                float low = unit[i], high = unit[half + i];                            \
                put(out, to + i, b, kept(low * at(cosine, turn + i, b), b) + high * at(sine, turn + i, b)); \
                put(out, to + half + i, b, kept(high * at(cosine, turn + half + i, b), b) \
                                               + low * at(sine, turn + half + i, b));  \
            }                                                                          \
        }
    BY_TYPE(BODY, bf16);
#undef BODY
}

/* The gradient of the whole projection, and of the norms' weights [width], which are added to. */
void heads_backward(const void *of_queries, const void *of_keys, const void *of_values,
                    const void *mixed, const void *query_norm, const void *key_norm,
                    const void *cosine, const void *sine, const float *inverse, void *of_mixed,
                    float *of_query_norm, float *of_key_norm, int64_t rows, int64_t query,
                    int64_t key, int64_t width, int bf16) {
    int64_t half = width / 2, count = query + key;
#define BODY(b)                                                                        \
    for (int64_t row = 0; row < rows; row++) {                                         \
        for (int64_t head = 0; head < count; head++) {                                 \
            int64_t to = (row * (count + key) + head) * width, turn = row * width;     \
            const void *norm = head < query ? query_norm : key_norm;                   \
            const void *of = head < query ? of_queries : of_keys;                      \
            int64_t from = head < query ? (row * query + head) * width                 \
                                        : (row * key + head - query) * width;          \
            float slope[WIDEST];                                                       \
            _Pragma("omp simd") for (int64_t i = 0; i < half; i++) {                   \
                float low = at(of, from + i, b), high = at(of, from + half + i, b);    \
                slope[i] = low * at(cosine, turn + i, b) + high * at(sine, turn + half + i, b); \
                slope[half + i] = high * at(cosine, turn + half + i, b)                \
                                  + low * at(sine, turn + i, b);                       \
            }                                                                          \
            if (!norm) {                                                               \
                _Pragma("omp simd") for (int64_t i = 0; i < width; i++)                \
                    put(of_mixed, to + i, b, slope[i]);                                \
                continue;                                                              \
            }                                                                          \
            float *of_norm = head < query ? of_query_norm : of_key_norm;               \
            float scale = inverse[row * count + head], along = 0.0f;                   \
            _Pragma("omp simd reduction(+ : along)") for (int64_t i = 0; i < width; i++) \
                along += slope[i] * at(norm, i, b) * at(mixed, to + i, b);             \
            along *= scale * scale / (float)width;                                     \
            _Pragma("omp simd") for (int64_t i = 0; i < width; i++) {                  \
                float value = at(mixed, to + i, b);                                    \
                of_norm[i] += slope[i] * value * scale;                                \
                put(of_mixed, to + i, b, scale * (slope[i] * at(norm, i, b) - value * along)); \
            }                                                                          \
        }                                                                              \
        int64_t to = (row * (count + key) + count) * width, from = row * key * width;  \
        _Pragma("omp simd") for (int64_t i = 0; i < key * width; i++)                  \
            put(of_mixed, to + i, b, at(of_values, from + i, b));                      \
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
