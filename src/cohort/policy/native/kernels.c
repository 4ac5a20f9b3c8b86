/* What a decode step and a training row do between their matrix products, a pass over memory each.

   Rows are contiguous. `bf16` says that the model's tensors hold bfloat16 and not float; everything
   is computed in float. Nothing here allocates or keeps anything. Reductions may be
   reordered (omp simd); nothing else of IEEE arithmetic is given up, so a NaN stays one. */

#include "common.h"

static inline float at(const void *values, int64_t index, int bf16) {
    return bf16 ? from_bf16(((const uint16_t *)values)[index]) : ((const float *)values)[index];
}

static inline void put(void *values, int64_t index, int bf16, float value) {
    if (bf16) ((uint16_t *)values)[index] = to_bf16(value);
    else ((float *)values)[index] = value;
}

static inline float inverse_rms(const void *x, int64_t start, int64_t width, float epsilon, int bf16) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) {
        float value = at(x, start + i, bf16);
        sum += value * value;
    }
    return 1.0f / sqrtf(sum / (float)width + epsilon);
}

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

/* One head: norm (where there is a weight), rotation by a row of the tables; into `out`, float. */
static inline void turned(const void *x, int64_t start, int64_t width, const void *norm,
                          float epsilon, const float *cosine, const float *sine, float factor,
                          float *out, int bf16) {
    float plain[WIDEST];
    float scale = norm ? inverse_rms(x, start, width, epsilon, bf16) : 1.0f;
    for (int64_t i = 0; i < width; i++)
        plain[i] = at(x, start + i, bf16) * scale * (norm ? at(norm, i, bf16) : 1.0f);
    int64_t half = width / 2;
    for (int64_t i = 0; i < half; i++) {
        out[i] = (plain[i] * cosine[i] + plain[i + half] * sine[i]) * factor;
        out[i + half] = (plain[i + half] * cosine[i + half] + plain[i] * sine[i + half]) * factor;
    }
}

/* Queries, keys and values of one token per lane, side by side in `mixed` [lanes, Hq + 2 Hk, D]:
   the queries, normed, rotated and times `scale`, into `query` [lanes, Hq, D]; key and value into
   column `column[lane]` of the lane's cache, keys [.., Hk, D, length] and values [.., Hk, length, D]. */
void decode_enter(const void *mixed, const void *query_norm, const void *key_norm, float epsilon,
                  const float *cosine, const float *sine, const int64_t *position,
                  const int64_t *column, float scale, float *query, float *keys, float *values,
                  int64_t lanes, int64_t query_heads, int64_t key_heads, int64_t width,
                  int64_t length, int64_t threads, int bf16) {
#pragma omp parallel for num_threads(threads)
    for (int64_t lane = 0; lane < lanes; lane++) {
        float key[WIDEST];
        int64_t start = lane * (query_heads + 2 * key_heads) * width;
        const float *c = cosine + position[lane] * width, *s = sine + position[lane] * width;
        for (int64_t head = 0; head < query_heads; head++)
            turned(mixed, start + head * width, width, query_norm, epsilon, c, s, scale,
                   query + (lane * query_heads + head) * width, bf16);
        for (int64_t head = 0; head < key_heads; head++) {
            int64_t from = start + (query_heads + head) * width;
            turned(mixed, from, width, key_norm, epsilon, c, s, 1.0f, key, bf16);
            int64_t cell = (lane * key_heads + head) * width * length;
            for (int64_t i = 0; i < width; i++) {
                keys[cell + i * length + column[lane]] = key[i];
                values[cell + column[lane] * width + i] =
                    at(mixed, from + key_heads * width + i, bf16);
            }
        }
    }
}

/* query . key of `blocks` times BLOCK positions, keys [width, length] from their first one on, for
   `heads` queries [heads, width] that read the same keys; scores [heads, stride]. Several sums at a
   time: one alone would wait for itself. */
static inline __attribute__((always_inline)) void score(
        const float *q, const float *k, int64_t width, int64_t length, int64_t blocks,
        float *scores, int64_t stride, const int heads) {
    int64_t b = 0;
    for (; b + 4 <= blocks; b += 4) {
        float sum[TOGETHER][4 * BLOCK];
        for (int h = 0; h < heads; h++)
#pragma omp simd
            for (int c = 0; c < 4 * BLOCK; c++) sum[h][c] = 0.0f;
        for (int64_t i = 0; i < width; i++)
            for (int h = 0; h < heads; h++)
#pragma omp simd
                for (int c = 0; c < 4 * BLOCK; c++)
                    sum[h][c] += q[h * width + i] * k[i * length + b * BLOCK + c];
        for (int h = 0; h < heads; h++)
            memcpy(scores + h * stride + b * BLOCK, sum[h], sizeof sum[h]);
    }
    for (; b < blocks; b++) {
        float sum[TOGETHER][BLOCK];
        for (int h = 0; h < heads; h++)
#pragma omp simd
            for (int c = 0; c < BLOCK; c++) sum[h][c] = 0.0f;
        for (int64_t i = 0; i < width; i++)
            for (int h = 0; h < heads; h++)
#pragma omp simd
                for (int c = 0; c < BLOCK; c++)
                    sum[h][c] += q[h * width + i] * k[i * length + b * BLOCK + c];
        for (int h = 0; h < heads; h++)
            memcpy(scores + h * stride + b * BLOCK, sum[h], sizeof sum[h]);
    }
}

/* Adds the sum of weight * value over `count` positions, a multiple of 4, of `some` dimensions: for
   `heads` rows of weights [heads, stride], to out [heads, width]. */
static inline __attribute__((always_inline)) void gather(
        const float *weight, int64_t stride, const float *v, int64_t count, int64_t width,
        int some, float *out, const int heads) {
    float sum[TOGETHER][4][BLOCK];
    for (int h = 0; h < heads; h++)
        for (int turn = 0; turn < 4; turn++)
#pragma omp simd
            for (int c = 0; c < BLOCK; c++) sum[h][turn][c] = 0.0f;
    if (some == BLOCK) {
        for (int64_t j = 0; j < count; j += 4)
            for (int turn = 0; turn < 4; turn++)
                for (int h = 0; h < heads; h++)
#pragma omp simd
                    for (int c = 0; c < BLOCK; c++)
                        sum[h][turn][c] += weight[h * stride + j + turn] * v[(j + turn) * width + c];
    } else {
        for (int64_t j = 0; j < count; j++)
            for (int h = 0; h < heads; h++)
                for (int c = 0; c < some; c++)
                    sum[h][0][c] += weight[h * stride + j] * v[j * width + c];
    }
    for (int h = 0; h < heads; h++)
        for (int c = 0; c < some; c++)
            out[h * width + c] += (sum[h][0][c] + sum[h][1][c]) + (sum[h][2][c] + sum[h][3][c]);
}

/* What one lane's queries of one key head read: `heads` of them, at most TOGETHER. */
static inline __attribute__((always_inline)) void attend_heads(
        const float *q, const float *prompt_keys, const float *prompt_values, const float *keys,
        const float *values, int64_t seen, int64_t own, int64_t width, int64_t prompt_length,
        int64_t length, float *scores, int64_t stride, float *out, const int heads) {
    int64_t before = whole_blocks(seen), after = whole_blocks(own);
    float share[TOGETHER], most;
    score(q, prompt_keys, width, prompt_length, before / BLOCK, scores, stride, heads);
    score(q, keys, width, length, after / BLOCK, scores + before, stride, heads);
    for (int h = 0; h < heads; h++) {
        float *line = scores + h * stride;
        for (int64_t j = seen; j < before; j++) line[j] = -INFINITY;
        for (int64_t j = before + own; j < before + after; j++) line[j] = -INFINITY;
        share[h] = 1.0f / soften(line, before + after, &most);
    }
    for (int64_t i = 0; i < heads * width; i++) out[i] = 0.0f;
    for (int64_t i = 0; i < width; i += BLOCK) {
        int some = width - i < BLOCK ? (int)(width - i) : BLOCK;
        gather(scores, stride, prompt_values + i, before, width, some, out + i, heads);
        gather(scores + before, stride, values + i, after, width, some, out + i, heads);
    }
    for (int h = 0; h < heads; h++)
#pragma omp simd
        for (int64_t i = 0; i < width; i++) out[h * width + i] *= share[h];
}

/* Attention of each lane's query to its prompt, `seen` positions at place `place`, and to the first
   `own` positions of its own lane. Both caches are as in decode_enter, a multiple of BLOCK long.
   `order` names the lanes so that those of a prompt follow one another: its keys are read from memory
   once, and from the cache for the rest of its group; the query heads of a key head read it together.
   `scores` is scratch for each thread: TOGETHER times the longest of both. What lies beyond in a cache
   must be finite: it is weighed with 0. */
void decode_attend(const float *query, const float *prompt_keys, const float *prompt_values,
                   const float *keys, const float *values, const int64_t *order,
                   const int64_t *place, const int64_t *seen, const int64_t *own, float *scores,
                   void *out, int64_t lanes, int64_t query_heads, int64_t key_heads, int64_t width,
                   int64_t prompt_length, int64_t length, int64_t threads, int bf16) {
    int64_t repeat = query_heads / key_heads, stride = prompt_length + length;
#pragma omp parallel for num_threads(threads)
    for (int64_t thread = 0; thread < threads; thread++) {
        float found[TOGETHER * WIDEST], *own_scores = scores + thread * TOGETHER * stride;
        for (int64_t n = lanes * thread / threads; n < lanes * (thread + 1) / threads; n++) {
            int64_t lane = order[n];
            for (int64_t first = 0, now; first < query_heads; first += now) {
                int64_t head = first / repeat, left = repeat - first % repeat;
                int64_t theirs = (place[lane] * key_heads + head) * width * prompt_length;
                int64_t mine = (lane * key_heads + head) * width * length;
                int64_t row = lane * query_heads + first;
                now = left < TOGETHER ? left : TOGETHER;
#define HEADS(count)                                                                       \
    attend_heads(query + row * width, prompt_keys + theirs, prompt_values + theirs,        \
                 keys + mine, values + mine, seen[lane], own[lane], width, prompt_length,  \
                 length, own_scores, stride, found, count)
                if (now == 4) HEADS(4);
                else if (now == 3) HEADS(3);
                else if (now == 2) HEADS(2);
                else HEADS(1);
#undef HEADS
                for (int64_t i = 0; i < now * width; i++) put(out, row * width + i, bf16, found[i]);
            }
        }
    }
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
