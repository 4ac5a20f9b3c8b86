/* Attention of a training row whose answers share their prompt, and its gradient.

   A block of queries of the heads that read a key head is taken at a time; it sees what is before it (the prompt,
   where it belongs to an answer) and its own segment up to itself, KEYS keys at a time, so that its scores stay
   in the nearest cache. One softmax covers all: what was summed is brought in line where a larger score comes;
   for the gradient scores are computed again (Dao et al. 2022). Keys and values of a segment are laid out once
   for all queries that see them, padded with zeros to whole blocks, so that every product runs over whole
   vectors. Families and key heads are shared out among threads; what one computes no other touches. Everything
   is float, and a number that is not finite spreads in its block, since what is not seen is weighed with 0.

   query [T, Hq, D], key and value [T, Hk, D], a token `steps[0..2]` floats behind the last;
   prompts [F] and answers: where each begins, and how many tokens it has; the answers of family f are
   first[f] to first[f + 1]. */

#include "common.h"

#define LINES 48 /* queries, and keys, whose scores are computed at a time */
#define KEYS 64

/* c (+)= a b of a few lines: a(line, step) = a[line * a_line + step * a_step], b [steps, ..] rows b_line
   apart, `vectors` times REGISTER columns. */
static inline __attribute__((always_inline)) void tile(
        float *c, int64_t c_line, const float *a, int64_t a_line, int64_t a_step, const float *b,
        int64_t b_line, int64_t steps, const int lines, const int vectors, const int adds) {
    vector sum[6][2];
    for (int r = 0; r < lines; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = adds ? *(const vector *)(c + r * c_line + v * REGISTER) : (vector){0};
    for (int64_t k = 0; k < steps; k++) {
        vector row[2];
        for (int v = 0; v < vectors; v++) row[v] = *(const vector *)(b + k * b_line + v * REGISTER);
        for (int r = 0; r < lines; r++)
            for (int v = 0; v < vectors; v++) sum[r][v] += a[r * a_line + k * a_step] * row[v];
    }
    for (int r = 0; r < lines; r++)
        for (int v = 0; v < vectors; v++) *(vector *)(c + r * c_line + v * REGISTER) = sum[r][v];
}

/* `vectors` times REGISTER columns of c. Six lines by two vectors fill the 16 registers of AVX2: twelve sums,
   as many as its units can have on the way, two of b and one of a. */
static inline __attribute__((always_inline)) void columns_of(
        float *c, int64_t c_line, int64_t lines, const float *a, int64_t a_line, int64_t a_step,
        const float *b, int64_t b_line, int64_t steps, const int vectors, const int adds) {
    int64_t r = 0;
    for (; (lines - r) % 6; r += 4)
        tile(c + r * c_line, c_line, a + r * a_line, a_line, a_step, b, b_line, steps, 4, vectors, adds);
    for (; r < lines; r += 6)
        tile(c + r * c_line, c_line, a + r * a_line, a_line, a_step, b, b_line, steps, 6, vectors, adds);
}

/* c [lines, columns] (+)= a b; lines an even number of at least 4, columns a multiple of REGISTER. */
static inline __attribute__((always_inline)) void product(
        float *c, int64_t c_line, int64_t lines, int64_t columns, const float *a, int64_t a_line,
        int64_t a_step, const float *b, int64_t b_line, int64_t steps, const int adds) {
    int64_t column = 0;
    for (; column + 2 * REGISTER <= columns; column += 2 * REGISTER)
        columns_of(c + column, c_line, lines, a, a_line, a_step, b + column, b_line, steps, 2, adds);
    if (column < columns)
        columns_of(c + column, c_line, lines, a, a_line, a_step, b + column, b_line, steps, 1, adds);
}

/* The products that there are, each a function of its own: inlined into its callers, of whose variables there are
   many, it has sums spilled to memory. */
#define PRODUCT static __attribute__((noinline)) void

/* scores [lines, n] = a b; a [lines, wide], b [wide, n] of rows `whole` apart. */
PRODUCT set_scores(float *scores, int64_t lines, int64_t n, const float *a, const float *b, int64_t whole,
                   int64_t wide) {
    product(scores, KEYS, lines, n, a, wide, 1, b, whole, wide, 0);
}

/* c [lines, wide] += weights b; weights [lines, n], b [n, wide]. */
PRODUCT add_seen(float *c, int64_t lines, int64_t n, const float *weights, const float *b, int64_t wide) {
    product(c, wide, lines, wide, weights, KEYS, 1, b, wide, n, 1);
}

/* c [n, wide] += weights^T b; weights [lines, n], b [lines, wide]. */
PRODUCT add_given(float *c, int64_t lines, int64_t n, const float *weights, const float *b, int64_t wide) {
    product(c, wide, n, wide, weights, 1, KEYS, b, wide, lines, 1);
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
    int64_t query_heads, key_heads, width, wide;
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

/* Some lines of queries of a segment: a position's query heads of one key head, then the next position's.
   Lines up to `lines` that are not there have zeros for their query. */
typedef struct {
    int64_t count, lines, token[LINES], head[LINES], seen[LINES]; /* of its own segment */
} Block;

static Block block(const Segment *own, int64_t from, int64_t head, int64_t repeat) {
    int64_t most = BLOCK * repeat < LINES ? BLOCK * repeat : LINES, left = own->length * repeat - from;
    int64_t position = from / repeat, turn = from % repeat;
    Block b = {.count = left < most ? left : most};
    b.lines = b.count < 4 ? 4 : (b.count + 1) / 2 * 2;
    for (int64_t r = 0; r < b.lines; r++) {
        b.token[r] = own->start + position;
        b.head[r] = head * repeat + turn;
        b.seen[r] = position + 1;
        if (++turn == repeat) turn = 0, position++;
    }
    return b;
}

/* A block's lines of x [T, Hq, width], whose tokens lie `step` apart, padded with zeros. */
static void gather(const Call *call, const Block *b, const float *x, int64_t step, float factor,
                   float *lines) {
    int64_t wide = call->wide, width = call->width;
    if (b->count < b->lines || width < wide) memset(lines, 0, sizeof(float) * b->lines * wide);
    for (int64_t r = 0; r < b->count; r++) {
        const float *from = x + b->token[r] * step + b->head[r] * width;
        for (int64_t i = 0; i < width; i++) lines[r * wide + i] = from[i] * factor;
    }
}

/* Columns that a block sees of a segment, in whole registers. */
static int64_t reach(const Block *b, const Segment *seen, int causal) {
    int64_t length = causal ? b->seen[b->count - 1] : seen->length;
    return (length + REGISTER - 1) / REGISTER * REGISTER;
}

/* Scores of keys j to j + n become -inf where a line does not see the key. */
static void hide(float *scores, const Block *b, const Segment *seen, int causal, int64_t j, int64_t n) {
    if (j + n <= (causal ? b->seen[0] : seen->length)) return;
    for (int64_t r = 0; r < b->lines; r++) {
        int64_t c = (causal ? b->seen[r] : seen->length) - j;
        for (c = c < 0 ? 0 : c; c < n; c++) scores[r * KEYS + c] = -INFINITY;
    }
}

/* What a line has seen: its largest score, and sums of e^(score - that). */
typedef struct {
    vector sums;
    float most;
} Seen;

/* Scores become weights against the largest so far, by which the sums of before are brought in line. */
static void soften_line(float *scores, int64_t n, Seen *seen, float *out, int64_t wide) {
    vector most = *(vector *)scores;
    for (int64_t c = REGISTER; c < n; c += REGISTER) most = larger(*(vector *)(scores + c), most);
    float top = largest_of(most);
    if (top > seen->most) {
        float factor = exponential(seen->most - top);
        for (int64_t i = 0; i < wide; i += REGISTER) *(vector *)(out + i) *= factor;
        seen->sums *= factor;
        seen->most = top;
    }
    vector sums = seen->sums;
    for (int64_t c = 0; c < n; c += REGISTER)
        sums += *(vector *)(scores + c) = exponentials(*(vector *)(scores + c) - seen->most);
    seen->sums = sums;
}

static void forward_block(const Call *call, const Segment *before, const Segment *own, const Block *b,
                          float *scratch) {
    int64_t wide = call->wide, width = call->width;
    float *query = scratch, *out = query + LINES * wide, *scores = out + LINES * wide;
    Seen seen[LINES];
    for (int64_t r = 0; r < b->lines; r++) seen[r] = (Seen){{0}, -INFINITY};
    gather(call, b, call->query, call->steps[0], call->scale, query);
    memset(out, 0, sizeof(float) * b->lines * wide);
    for (int causal = before == NULL; causal < 2; causal++) {
        const Segment *s = causal ? own : before;
        int64_t columns = reach(b, s, causal);
        for (int64_t j = 0; j < columns; j += KEYS) {
            int64_t n = columns - j < KEYS ? columns - j : KEYS;
            set_scores(scores, b->lines, n, query, s->key_turned + j, s->whole, wide);
            hide(scores, b, s, causal, j, n);
            for (int64_t r = 0; r < b->lines; r++)
                soften_line(scores + r * KEYS, n, seen + r, out + r * wide, wide);
            add_seen(out, b->lines, n, scores, s->value + j * wide, wide);
        }
    }
    for (int64_t r = 0; r < b->count; r++) {
        int64_t row = b->token[r] * call->query_heads + b->head[r];
        float sum = sum_of(seen[r].sums), share = 1.0f / sum;
        for (int64_t i = 0; i < width; i++) call->to_out[row * width + i] = out[r * wide + i] * share;
        call->to_total[row] = seen[r].most + logf(sum);
    }
}

/* Scores become weights, and gradients of weights those of scores. */
static void slope_line(float *scores, float *slopes, int64_t n, float total, float along) {
    for (int64_t c = 0; c < n; c += REGISTER) {
        vector weight = exponentials(*(vector *)(scores + c) - total);
        *(vector *)(scores + c) = weight;
        *(vector *)(slopes + c) = weight * (*(vector *)(slopes + c) - along);
    }
}

/* Of each line the log-sum-exp of its scores, and how far its slope goes along what came `out`. */
static void recall(const Call *call, const Block *b, const float *slope, const float *out, float *total,
                   float *along) {
    for (int64_t r = 0; r < b->lines; r++) {
        vector sum = {0};
        for (int64_t i = r * call->wide; i < (r + 1) * call->wide; i += REGISTER)
            sum += *(const vector *)(slope + i) * *(const vector *)(out + i);
        along[r] = sum_of(sum);
        int64_t row = b->token[r] * call->query_heads + b->head[r];
        total[r] = r < b->count ? call->total[row] : INFINITY;
    }
}

static void backward_block(const Call *call, Segment *before, Segment *own, const Block *b,
                           float *scratch) {
    int64_t wide = call->wide, width = call->width, lines = b->lines;
    float *query = scratch, *slope = query + LINES * wide, *of_query = slope + LINES * wide;
    float *weights = of_query + LINES * wide, *slopes = weights + LINES * KEYS;
    float total[LINES], along[LINES];
    gather(call, b, call->query, call->steps[0], call->scale, query);
    gather(call, b, call->slope, call->query_heads * width, 1.0f, slope);
    gather(call, b, call->out, call->query_heads * width, 1.0f, of_query);
    recall(call, b, slope, of_query, total, along);
    memset(of_query, 0, sizeof(float) * lines * wide);
    for (int causal = before == NULL; causal < 2; causal++) {
        Segment *s = causal ? own : before;
        int64_t columns = reach(b, s, causal);
        for (int64_t j = 0; j < columns; j += KEYS) {
            int64_t n = columns - j < KEYS ? columns - j : KEYS;
            set_scores(weights, lines, n, query, s->key_turned + j, s->whole, wide);
            set_scores(slopes, lines, n, slope, s->value_turned + j, s->whole, wide);
            hide(weights, b, s, causal, j, n);
            for (int64_t r = 0; r < lines; r++)
                slope_line(weights + r * KEYS, slopes + r * KEYS, n, total[r], along[r]);
            add_given(s->of_value + j * wide, lines, n, weights, slope, wide);
            add_given(s->of_key + j * wide, lines, n, slopes, query, wide);
            add_seen(of_query, lines, n, slopes, s->key + j * wide, wide);
        }
    }
    for (int64_t r = 0; r < b->count; r++) {
        int64_t row = b->token[r] * call->query_heads + b->head[r];
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
        for (int64_t from = 0; from < own.length * repeat;) {
            Block b = block(&own, from, head, repeat);
            if (backward) backward_block(call, answer ? &prompt : NULL, &own, &b, blocks);
            else forward_block(call, answer ? &prompt : NULL, &own, &b, blocks);
            from += b.count;
        }
        if (backward && answer) give(call, &own, head);
    }
    if (backward) give(call, &prompt, head);
}

/* out [T, Hq, D] and the log-sum-exp of its scores [T, Hq]; or, where `slope` [T, Hq, D] is given, the
   gradients of query [T, Hq, D], key and value [T, Hk, D] from them. `scratch` has `size` floats for each
   thread: 6 wide (P + A) + LINES (3 wide + 2 KEYS), of the longest prompt and answer in whole blocks. */
void row_attention(const float *query, const float *key, const float *value, const int64_t *steps,
                   const int64_t *prompts, const int64_t *first, const int64_t *answers, float scale,
                   float *out, float *total, const float *slope, float *of_query, float *of_key,
                   float *of_value, float *scratch, int64_t size, int64_t families,
                   int64_t query_heads, int64_t key_heads, int64_t width, int64_t threads) {
    Call call = {query, key, value, slope, out, total, out, total, of_query, of_key, of_value,
                 steps, scale, query_heads, key_heads, width, whole_blocks(width)};
#pragma omp parallel for num_threads(threads)
    for (int64_t thread = 0; thread < threads; thread++)
        for (int64_t item = thread; item < families * key_heads; item += threads)
            family(&call, prompts, first, answers, item / key_heads, item % key_heads,
                   scratch + thread * size, slope != NULL);
}
