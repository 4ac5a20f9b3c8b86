/* Attention of a training row whose answers share their prompt, and its gradient.

   A block of BLOCK queries of one head is taken at a time; it sees what is before it (the prompt, where
   it belongs to an answer) and its own segment up to itself. All its scores are computed at once, so one
   softmax covers both; for the gradient they are computed again (Dao et al. 2022). Keys and values of a
   segment are laid out once for all queries that see them, padded with zeros to whole blocks, so that
   every product runs over whole vectors. Families and key heads are shared out among threads; what one
   computes no other touches. Everything is float, and a number that is not finite spreads in its block,
   since what is not seen is weighed with 0.

   query [T, Hq, D], key and value [T, Hk, D], a token `steps[0..2]` floats behind the last;
   prompts [F] and answers: where each begins, and how many tokens it has; the answers of family f are
   first[f] to first[f + 1]. */

#include "common.h"

/* Four lines of c (+)= a b: a(line, step) = a[line * a_line + step * a_step], b [steps, ..] rows
   b_line apart, `vectors` times REGISTER columns. */
static inline __attribute__((always_inline)) void tile(
        float *c, int64_t c_line, const float *a, int64_t a_line, int64_t a_step, const float *b,
        int64_t b_line, int64_t steps, const int vectors, const int adds) {
    vector sum[4][2];
    for (int r = 0; r < 4; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = adds ? *(const vector *)(c + r * c_line + v * REGISTER) : (vector){0};
    for (int64_t k = 0; k < steps; k++) {
        vector row[2];
        for (int v = 0; v < vectors; v++) row[v] = *(const vector *)(b + k * b_line + v * REGISTER);
        for (int r = 0; r < 4; r++)
            for (int v = 0; v < vectors; v++) sum[r][v] += a[r * a_line + k * a_step] * row[v];
    }
    for (int r = 0; r < 4; r++)
        for (int v = 0; v < vectors; v++) *(vector *)(c + r * c_line + v * REGISTER) = sum[r][v];
}

/* c [lines, columns] (+)= a b; lines a multiple of 4, columns of BLOCK. */
static inline __attribute__((always_inline)) void product(
        float *c, int64_t c_line, int64_t lines, int64_t columns, const float *a, int64_t a_line,
        int64_t a_step, const float *b, int64_t b_line, int64_t steps, const int adds) {
    int64_t column = 0;
    for (; column + 2 * REGISTER <= columns; column += 2 * REGISTER)
        for (int64_t r = 0; r < lines; r += 4)
            tile(c + r * c_line + column, c_line, a + r * a_line, a_line, a_step, b + column, b_line,
                 steps, 2, adds);
    if (column < columns)
        for (int64_t r = 0; r < lines; r += 4)
            tile(c + r * c_line + column, c_line, a + r * a_line, a_line, a_step, b + column, b_line,
                 steps, 1, adds);
}

/* Tokens one after another with their keys and values of one head, padded to `whole` of them. */
typedef struct {
    int64_t start, length, whole;
    float *key, *key_turned, *value, *value_turned, *of_key, *of_value;
} Segment;

typedef struct {
    const float *query, *key, *value, *slope, *out, *total;
    float *to_out, *to_total, *of_query, *of_key, *of_value;
    const int64_t *steps;
    float scale;
    int64_t query_heads, key_heads, width, wide, stride;
} Call;

/* `length` tokens of one head, padded with zeros: as they are [whole, wide], and turned [wide, whole]. */
static void lay(const float *x, int64_t step, int64_t length, int64_t whole, int64_t width,
                int64_t wide, float factor, float *plain, float *turned) {
    if (plain) {
        memset(plain, 0, sizeof(float) * whole * wide);
        for (int64_t t = 0; t < length; t++)
            for (int64_t i = 0; i < width; i++) plain[t * wide + i] = x[t * step + i] * factor;
    }
    if (turned) {
        memset(turned, 0, sizeof(float) * whole * wide);
        for (int64_t t = 0; t < length; t++)
            for (int64_t i = 0; i < width; i++) turned[i * whole + t] = x[t * step + i];
    }
}

/* A segment laid out in `scratch`, of which it takes six times whole * wide floats. */
static Segment segment(const Call *call, int64_t start, int64_t length, int64_t head,
                       float *scratch, int backward) {
    int64_t whole = whole_blocks(length), size = whole * call->wide;
    Segment s = {start, length, whole, scratch, scratch + size, scratch + 2 * size,
                 scratch + 3 * size, scratch + 4 * size, scratch + 5 * size};
    const float *key = call->key + start * call->steps[1] + head * call->width;
    const float *value = call->value + start * call->steps[2] + head * call->width;
    lay(key, call->steps[1], length, whole, call->width, call->wide, 1.0f, backward ? s.key : NULL,
        s.key_turned);
    lay(value, call->steps[2], length, whole, call->width, call->wide, 1.0f,
        backward ? NULL : s.value, backward ? s.value_turned : NULL);
    if (backward) memset(s.of_key, 0, 2 * sizeof(float) * size);
    return s;
}

/* Lines of `count` queries from place `from` of their segment: a(line, key) of what each sees, the rest
   set to `unseen`. `before` may be empty. */
static void hide(float *scores, int64_t stride, int64_t count, int64_t from, int64_t before_length,
                 int64_t before, int64_t columns, float unseen) {
    for (int64_t r = 0; r < BLOCK; r++) {
        float *line = scores + r * stride;
        int64_t seen = r < count ? from + r + 1 : columns - before;
        for (int64_t j = before_length; j < before; j++) line[j] = unseen;
        for (int64_t j = before + seen; j < columns; j++) line[j] = unseen;
    }
}

static void forward_block(const Call *call, const Segment *before, const Segment *own, int64_t from,
                          int64_t head, float *scratch) {
    int64_t wide = call->wide, width = call->width, stride = call->stride;
    int64_t left = own->length - from, count = left < BLOCK ? left : BLOCK;
    int64_t first = before ? before->whole : 0, columns = first + whole_blocks(from + count);
    float *query = scratch, *out = query + BLOCK * wide, *scores = out + BLOCK * wide;
    int64_t token = own->start + from;
    lay(call->query + token * call->steps[0] + head * width, call->steps[0], count, BLOCK, width,
        wide, call->scale, query, NULL);
    if (before)
        product(scores, stride, BLOCK, first, query, wide, 1, before->key_turned, first, wide, 0);
    product(scores + first, stride, BLOCK, columns - first, query, wide, 1, own->key_turned,
            own->whole, wide, 0);
    hide(scores, stride, count, from, before ? before->length : 0, first, columns, -INFINITY);
    float sums[BLOCK], most[BLOCK];
    for (int64_t r = 0; r < BLOCK; r++) sums[r] = soften(scores + r * stride, columns, most + r);
    if (before) product(out, wide, BLOCK, wide, scores, stride, 1, before->value, wide, first, 0);
    if (before)
        product(out, wide, BLOCK, wide, scores + first, stride, 1, own->value, wide, columns - first, 1);
    else
        product(out, wide, BLOCK, wide, scores, stride, 1, own->value, wide, columns, 0);
    for (int64_t r = 0; r < count; r++) {
        int64_t row = (token + r) * call->query_heads + head;
        for (int64_t i = 0; i < width; i++) call->to_out[row * width + i] = out[r * wide + i] / sums[r];
        call->to_total[row] = most[r] + logf(sums[r]);
    }
}

/* Adds a block's part of the gradients: of its queries, and of the keys and values of one segment. */
static void backward_part(const Call *call, const Segment *seen, int64_t columns, const float *query,
                          const float *slope, float *weights, float *of_scores, float *of_query,
                          int adds) {
    int64_t wide = call->wide, stride = call->stride;
    product(seen->of_value, wide, columns, wide, weights, 1, stride, slope, wide, BLOCK, 1);
    product(seen->of_key, wide, columns, wide, of_scores, 1, stride, query, wide, BLOCK, 1);
    if (adds) product(of_query, wide, BLOCK, wide, of_scores, stride, 1, seen->key, wide, columns, 1);
    else product(of_query, wide, BLOCK, wide, of_scores, stride, 1, seen->key, wide, columns, 0);
}

static void backward_block(const Call *call, Segment *before, Segment *own, int64_t from,
                           int64_t head, float *scratch) {
    int64_t wide = call->wide, width = call->width, stride = call->stride;
    int64_t left = own->length - from, count = left < BLOCK ? left : BLOCK;
    int64_t first = before ? before->whole : 0, columns = first + whole_blocks(from + count);
    float *query = scratch, *slope = query + BLOCK * wide, *of_query = slope + BLOCK * wide;
    float *weights = of_query + BLOCK * wide, *of_scores = weights + BLOCK * stride;
    int64_t token = own->start + from;
    lay(call->query + token * call->steps[0] + head * width, call->steps[0], count, BLOCK, width,
        wide, call->scale, query, NULL);
    lay(call->slope + (token * call->query_heads + head) * width, call->query_heads * width, count,
        BLOCK, width, wide, 1.0f, slope, NULL);
    if (before) {
        product(weights, stride, BLOCK, first, query, wide, 1, before->key_turned, first, wide, 0);
        product(of_scores, stride, BLOCK, first, slope, wide, 1, before->value_turned, first, wide, 0);
    }
    product(weights + first, stride, BLOCK, columns - first, query, wide, 1, own->key_turned,
            own->whole, wide, 0);
    product(of_scores + first, stride, BLOCK, columns - first, slope, wide, 1, own->value_turned,
            own->whole, wide, 0);
    hide(weights, stride, count, from, before ? before->length : 0, first, columns, -INFINITY);
    for (int64_t r = 0; r < BLOCK; r++) {
        float *weight = weights + r * stride, *of_score = of_scores + r * stride;
        int64_t row = (token + r) * call->query_heads + head;
        float total = r < count ? call->total[row] : INFINITY, along = 0.0f;
        if (r < count)
#pragma omp simd reduction(+ : along)
            for (int64_t i = 0; i < width; i++)
                along += call->slope[row * width + i] * call->out[row * width + i];
#pragma omp simd
        for (int64_t j = 0; j < columns; j++) {
            weight[j] = exponential(weight[j] - total);
            of_score[j] = weight[j] * (of_score[j] - along);
        }
    }
    if (before) backward_part(call, before, first, query, slope, weights, of_scores, of_query, 0);
    backward_part(call, own, columns - first, query, slope, weights + first, of_scores + first,
                  of_query, before != NULL);
    for (int64_t r = 0; r < count; r++) {
        int64_t row = (token + r) * call->query_heads + head;
        for (int64_t i = 0; i < width; i++)
            call->of_query[row * width + i] = of_query[r * wide + i] * call->scale;
    }
}

static void give(const Call *call, const Segment *s, int64_t head) {
    for (int64_t t = 0; t < s->length; t++) {
        int64_t row = ((s->start + t) * call->key_heads + head) * call->width;
        for (int64_t i = 0; i < call->width; i++) {
            call->of_key[row + i] = s->of_key[t * call->wide + i];
            call->of_value[row + i] = s->of_value[t * call->wide + i];
        }
    }
}

static void family(const Call *call, const int64_t *prompts, const int64_t *first,
                   const int64_t *answers, int64_t number, int64_t head, float *scratch, int backward) {
    int64_t repeat = call->query_heads / call->key_heads;
    Segment prompt = segment(call, prompts[2 * number], prompts[2 * number + 1], head, scratch, backward);
    float *free = scratch + 6 * prompt.whole * call->wide;
    for (int64_t a = first[number] - 1; a < first[number + 1]; a++) {
        int answer = a >= first[number]; /* the first of all is the prompt by itself */
        Segment own = answer ? segment(call, answers[2 * a], answers[2 * a + 1], head, free, backward) : prompt;
        float *blocks = answer ? free + 6 * own.whole * call->wide : free;
        for (int64_t h = head * repeat; h < (head + 1) * repeat; h++)
            for (int64_t from = 0; from < own.length; from += BLOCK) {
                if (backward) backward_block(call, answer ? &prompt : NULL, &own, from, h, blocks);
                else forward_block(call, answer ? &prompt : NULL, &own, from, h, blocks);
            }
        if (backward && answer) give(call, &own, head);
    }
    if (backward) give(call, &prompt, head);
}

/* out [T, Hq, D] and the log-sum-exp of its scores [T, Hq]; or, where `slope` [T, Hq, D] is given, the
   gradients of query [T, Hq, D], key and value [T, Hk, D] from them. `scratch` has `size` floats for each
   thread: 6 wide (P + A) + BLOCK (3 wide + 2 (P + A)), of the longest prompt and answer in whole blocks. */
void row_attention(const float *query, const float *key, const float *value, const int64_t *steps,
                   const int64_t *prompts, const int64_t *first, const int64_t *answers, float scale,
                   float *out, float *total, const float *slope, float *of_query, float *of_key,
                   float *of_value, float *scratch, int64_t size, int64_t stride, int64_t families,
                   int64_t query_heads, int64_t key_heads, int64_t width, int64_t threads) {
    Call call = {query, key, value, slope, out, total, out, total, of_query, of_key, of_value,
                 steps, scale, query_heads, key_heads, width, whole_blocks(width), stride};
#pragma omp parallel for num_threads(threads)
    for (int64_t thread = 0; thread < threads; thread++)
        for (int64_t item = thread; item < families * key_heads; item += threads)
            family(&call, prompts, first, answers, item / key_heads, item % key_heads,
                   scratch + thread * size, slope != NULL);
}
