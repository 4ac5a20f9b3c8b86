/* A decode step: the latest token of every live answer, a lane each.

   The whole step is one call, decode_step: weights are laid out beforehand in
   panels of PANEL outputs, [d, PANEL] each and one after another, so that products read memory in order,
   and nothing returns to Python between two operations. Everything is float; of a bfloat16 model each
   result is rounded where training rounds it (`narrow`). Threads share every operation out among them, by panels or by lanes. */

#include "common.h"

#define PANEL (2 * REGISTER)
#define ROWS 6 /* lanes that meet a panel together */

/* One head: norm (where there is a weight), rotation by a row of the tables, and times `factor`. */
static inline void turned(const float *x, int64_t width, const float *norm, float epsilon,
                          const float *cosine, const float *sine, float factor, float *out,
                          int narrow) {
    float plain[WIDEST];
    float scale = norm ? inverse_rms(x, 0, width, epsilon, 0) : 1.0f;
    for (int64_t i = 0; i < width; i++)
        plain[i] = norm ? kept(x[i] * scale * norm[i], narrow) : x[i];
    int64_t half = width / 2;
    for (int64_t from = 0; from < width; from += half) {
        const float *here = plain + from, *there = plain + half - from;
        for (int64_t i = 0; i < half; i++) {
            float along = kept(here[i] * kept(cosine[from + i], narrow), narrow);
            float across = there[i] * kept(sine[from + i], narrow);
            out[from + i] = kept(along + across, narrow) * factor;
        }
    }
}

/* Of one lane, queries, keys and values side by side in `mixed`: the queries, normed, rotated and times
   `scale`, into `query` [Hq, D]; key and value into column `column` of the lane's cache,
   keys [Hk, D, length] and values [Hk, length, D]. */
static inline void enter_lane(const float *mixed, const float *query_norm, const float *key_norm,
                              float epsilon, const float *cosine, const float *sine,
                              int64_t column, float scale, float *query, float *keys, float *values,
                              int64_t query_heads, int64_t key_heads, int64_t width, int64_t length,
                              int narrow) {
    float key[WIDEST];
    for (int64_t head = 0; head < query_heads; head++)
        turned(mixed + head * width, width, query_norm, epsilon, cosine, sine, scale,
               query + head * width, narrow);
    for (int64_t head = 0; head < key_heads; head++) {
        const float *from = mixed + (query_heads + head) * width;
        int64_t cell = head * width * length;
        turned(from, width, key_norm, epsilon, cosine, sine, 1.0f, key, narrow);
        for (int64_t i = 0; i < width; i++) {
            keys[cell + i * length + column] = key[i];
            values[cell + column * width + i] = from[key_heads * width + i];
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
    for (; b + SUMS(heads) <= blocks; b += SUMS(heads)) {
        float sum[TOGETHER][4 * BLOCK];
        for (int h = 0; h < heads; h++)
#pragma omp simd
            for (int c = 0; c < SUMS(heads) * BLOCK; c++) sum[h][c] = 0.0f;
        for (int64_t i = 0; i < width; i++)
            for (int h = 0; h < heads; h++)
#pragma omp simd
                for (int c = 0; c < SUMS(heads) * BLOCK; c++)
                    sum[h][c] += q[h * width + i] * k[i * length + b * BLOCK + c];
        for (int h = 0; h < heads; h++)
            memcpy(scores + h * stride + b * BLOCK, sum[h], sizeof(float) * SUMS(heads) * BLOCK);
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
        for (int turn = 0; turn < SUMS(heads); turn++)
#pragma omp simd
            for (int c = 0; c < BLOCK; c++) sum[h][turn][c] = 0.0f;
    if (some == BLOCK) {
        for (int64_t j = 0; j < count; j += SUMS(heads))
            for (int turn = 0; turn < SUMS(heads); turn++)
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
        for (int turn = 0; turn < SUMS(heads); turn++)
            for (int c = 0; c < some; c++) out[h * width + c] += sum[h][turn][c];
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

/* The caches of a layer and who reads what of them: `order` names the lanes so that those of a prompt
   follow one another: its keys are read from memory once, and from the cache for the rest of its group. */
typedef struct {
    const float *prompt_keys, *prompt_values, *keys, *values;
    const int64_t *order, *place, *seen, *own;
    int64_t query_heads, key_heads, width, prompt_length, length;
} Caches;

/* Attention of the lanes order[begin..end-1], each one's query to its prompt, `seen` positions at place
   `place`, and to the first `own` positions of its own lane. Both caches are as in enter_lane, a
   multiple of BLOCK long; the query heads of a key head read it together. `scores`: TOGETHER times the
   longest of both. What lies beyond in a cache must be finite: it is weighed with 0. */
static inline __attribute__((always_inline)) void attend_lanes(
        const Caches *c, const float *query, float *out, int64_t begin, int64_t end, float *scores,
        int narrow) {
    int64_t repeat = c->query_heads / c->key_heads, stride = c->prompt_length + c->length;
    for (int64_t n = begin; n < end; n++) {
        int64_t lane = c->order[n];
        for (int64_t first = 0, now; first < c->query_heads; first += now) {
            int64_t head = first / repeat, left = repeat - first % repeat;
            int64_t theirs = (c->place[lane] * c->key_heads + head) * c->width * c->prompt_length;
            int64_t mine = (lane * c->key_heads + head) * c->width * c->length;
            int64_t row = lane * c->query_heads + first;
            now = left < TOGETHER ? left : TOGETHER;
#define HEADS(count)                                                                              \
    attend_heads(query + row * c->width, c->prompt_keys + theirs, c->prompt_values + theirs,      \
                 c->keys + mine, c->values + mine, c->seen[lane], c->own[lane], c->width,         \
                 c->prompt_length, c->length, scores, stride, out + row * c->width, count)
            if (now == 4) HEADS(4);
            else if (now == 3) HEADS(3);
            else if (now == 2) HEADS(2);
            else HEADS(1);
#undef HEADS
            for (int64_t i = row * c->width; narrow && i < (row + now) * c->width; i++)
                out[i] = rounded(out[i]);
        }
    }
}

/* Outputs of a panel. */
int64_t panel_width(void) { return PANEL; }

/* weight [n, d] to panels [n / PANEL rounded up, d, PANEL]; outputs beyond n are 0. */
void lay_panels(const void *weight, float *panels, int64_t outputs, int64_t inputs, int64_t threads,
                int bf16) {
    int64_t count = (outputs + PANEL - 1) / PANEL;
#pragma omp parallel for num_threads(threads)
    for (int64_t p = 0; p < count; p++) {
        float *panel = panels + p * inputs * PANEL;
        int64_t some = outputs - p * PANEL < PANEL ? outputs - p * PANEL : PANEL;
        for (int64_t i = 0; i < inputs; i++)
            for (int64_t c = 0; c < PANEL; c++)
                panel[i * PANEL + c] = c < some ? at(weight, (p * PANEL + c) * inputs + i, bf16) : 0.0f;
    }
}

/* ROWS lines of x [.., d] times a panel: sums [ROWS, PANEL]. */
static inline __attribute__((always_inline)) void rows_by_panel(
        const float *x, const float *panel, int64_t inputs, vector sum[][2], const int rows) {
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (vector){0};
    for (int64_t k = 0; k < inputs; k++) {
        vector low = *(const vector *)(panel + k * PANEL), high = *(const vector *)(panel + k * PANEL + REGISTER);
        for (int r = 0; r < rows; r++) {
            float value = x[r * inputs + k];
            sum[r][0] += value * low;
            sum[r][1] += value * high;
        }
    }
}

/* out [rows, n] = x W^T + bias, or += where `adds`; every thread of the team computes some panels. */
static void times(const float *x, const float *panels, const float *bias, float *out, int64_t rows,
                  int64_t inputs, int64_t outputs, int adds, int narrow) {
#pragma omp for schedule(static)
    for (int64_t p = 0; p < (outputs + PANEL - 1) / PANEL; p++) {
        const float *panel = panels + p * inputs * PANEL;
        int64_t first = p * PANEL, some = outputs - first < PANEL ? outputs - first : PANEL;
        for (int64_t row = 0; row < rows; row += ROWS) {
            vector sum[ROWS][2];
            float line[PANEL];
            int64_t left = rows - row, now = left < ROWS ? left : ROWS;
            const float *from = x + row * inputs;
            switch (now) {
            case 6: rows_by_panel(from, panel, inputs, sum, 6); break;
            case 5: rows_by_panel(from, panel, inputs, sum, 5); break;
            case 4: rows_by_panel(from, panel, inputs, sum, 4); break;
            case 3: rows_by_panel(from, panel, inputs, sum, 3); break;
            case 2: rows_by_panel(from, panel, inputs, sum, 2); break;
            default: rows_by_panel(from, panel, inputs, sum, 1);
            }
            for (int64_t r = 0; r < now; r++) {
                float *to = out + (row + r) * outputs + first;
                memcpy(line, sum[r], sizeof line);
                for (int64_t c = 0; c < some; c++) {
                    float value = (adds ? to[c] : 0.0f) + line[c] + (bias ? bias[first + c] : 0.0f);
                    to[c] = kept(value, narrow);
                }
            }
        }
    }
}

static void norm(const float *x, const float *weight, float *out, int64_t rows, int64_t width, float epsilon,
                 int narrow) {
#pragma omp for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *from = x + row * width;
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < width; i++) sum += from[i] * from[i];
        float scale = 1.0f / sqrtf(sum / (float)width + epsilon);
#pragma omp simd
        for (int64_t i = 0; i < width; i++) {
            float value = from[i] * scale * weight[i];
            out[row * width + i] = kept(value, narrow);
        }
    }
}

static void gate(const float *x, float *out, int64_t rows, int64_t width, int narrow) {
#pragma omp for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *from = x + 2 * row * width;
#pragma omp simd
        for (int64_t i = 0; i < width; i++) {
            float value = from[i] / (1.0f + exponential(-from[i])) * from[width + i];
            out[row * width + i] = kept(value, narrow);
        }
    }
}

/* Addresses of a layer in this order; biases and the norms of heads may be 0. */
typedef struct {
    const float *before_attention, *query_key_value, *bias, *query_norm, *key_norm, *output;
    const float *before_feed_forward, *gate_up, *gate_up_bias, *down, *prompt_keys, *prompt_values;
    float *keys, *values;
} Layer;

/* All layers and the last norm, from embeddings x [lanes, hidden], which become the last hidden states.
   `position` and what Caches names are [lanes] each. Scratch: `normed` [lanes, hidden], `mixed`
   [lanes, (Hq + 2 Hk) D], `query` and `seen_by` [lanes, Hq, D], `wide` [lanes, 2 f], `gated_up` [lanes, f],
   `scores`, for each thread, as in attend_lanes. */
void decode_step(float *x, const void *addresses, int64_t layers, const float *last_norm,
                 const float *cosine, const float *sine, const int64_t *position,
                 const int64_t *order, const int64_t *place, const int64_t *seen, const int64_t *own,
                 float scale, float epsilon, float *normed, float *mixed, float *query,
                 float *seen_by, float *wide, float *gated_up, float *scores, int64_t lanes,
                 int64_t hidden, int64_t feed_forward, int64_t query_heads, int64_t key_heads,
                 int64_t width, int64_t prompt_length, int64_t length, int64_t threads, int narrow) {
    int64_t joint = (query_heads + 2 * key_heads) * width, size = TOGETHER * (prompt_length + length);
#pragma omp parallel num_threads(threads)
    for (int64_t number = 0; number < layers; number++) {
        const Layer *layer = (const Layer *)addresses + number;
        Caches caches = {layer->prompt_keys, layer->prompt_values, layer->keys, layer->values, order,
                         place, seen, own, query_heads, key_heads, width, prompt_length, length};
        norm(x, layer->before_attention, normed, lanes, hidden, epsilon, narrow);
        times(normed, layer->query_key_value, layer->bias, mixed, lanes, hidden, joint, 0, narrow);
#pragma omp for schedule(static)
        for (int64_t lane = 0; lane < lanes; lane++) {
            int64_t cache = lane * key_heads * width * length;
            enter_lane(mixed + lane * joint, layer->query_norm, layer->key_norm, epsilon,
                       cosine + position[lane] * width, sine + position[lane] * width,
                       own[lane] - 1, scale, query + lane * query_heads * width,
                       layer->keys + cache, layer->values + cache, query_heads, key_heads, width,
                       length, narrow);
        }
#pragma omp for schedule(static)
        for (int64_t t = 0; t < threads; t++)
            attend_lanes(&caches, query, seen_by, lanes * t / threads, lanes * (t + 1) / threads,
                         scores + t * size, narrow);
        times(seen_by, layer->output, NULL, x, lanes, query_heads * width, hidden, 1, narrow);
        norm(x, layer->before_feed_forward, normed, lanes, hidden, epsilon, narrow);
        times(normed, layer->gate_up, layer->gate_up_bias, wide, lanes, hidden, 2 * feed_forward, 0, narrow);
        gate(wide, gated_up, lanes, feed_forward, narrow);
        times(gated_up, layer->down, NULL, x, lanes, feed_forward, hidden, 1, narrow);
        if (number == layers - 1) {
            norm(x, last_norm, normed, lanes, hidden, epsilon, narrow);
#pragma omp for schedule(static)
            for (int64_t i = 0; i < lanes * hidden; i++) x[i] = normed[i];
        }
    }
}
