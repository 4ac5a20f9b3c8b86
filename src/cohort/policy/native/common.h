/* What the kernels share: types, e^x, and the softmax of a line of scores. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define WIDEST 1024 /* of a head */
#define BLOCK 16    /* positions, or dimensions, that are computed side by side */
#define TOGETHER 4  /* query heads that read a key head together, at most */

/* Floats in a register. Sums are kept in registers, of which AVX-512 has 32 and AVX2 has 16: what is summed
   at a time is cut so that they hold it, since a sum that is spilled to memory costs half of the speed. */
#ifdef __AVX512F__
#define REGISTER 16
#define SUMS(heads) 4
#else
#define REGISTER 8
#define SUMS(heads) ((heads) == 1 ? 4 : (heads) == 2 ? 2 : 1) /* of BLOCK floats for each of `heads` */
#endif

typedef float vector __attribute__((vector_size(4 * REGISTER), aligned(4), may_alias));

typedef int32_t integers __attribute__((vector_size(4 * REGISTER), aligned(4), may_alias));

static inline float from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16) | 0x40);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* e^x to within 2 units in the last place, 0 below e^-87: 2^n times a polynomial of the rest. */
static inline float exponential(float x) {
    float bounded = x < -87.0f ? -87.0f : x;
    bounded = bounded > 88.0f ? 88.0f : bounded;
    float n = rintf(bounded * 1.44269504f);
    float r = bounded - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, 4);
    return x < -87.0f ? 0.0f : p * scale;
}

/* The same for a register of numbers up to 88, with a polynomial of one order less: the number of halvings is
   read from the last bits of a sum with 1.5 * 2^23. */
static inline vector exponentials(vector x) {
    vector turned = x * 1.44269504f + 12582912.0f, n = turned - 12582912.0f;
    vector r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vector p = r * 0x1.0f9f9cp-7f + 0x1.573a1ap-5f;
    p = p * r + 0x1.555a80p-3f;
    p = p * r + 0x1.fffdc6p-2f;
    p = p * r + 0x1.fffff6p-1f;
    integers scale = ((integers)turned << 23) + (127 << 23);
    p = (r * (vector)scale) * p + (vector)scale;
    return (vector)((integers)p & ~(x < -87.0f));
}

static inline vector larger(vector a, vector b) {
    integers first = a > b;
    return (vector)(((integers)a & first) | ((integers)b & ~first));
}

static inline float largest_of(vector a) {
    for (int half = REGISTER / 2; half; half /= 2)
        for (int i = 0; i < half; i++) a[i] = a[i] > a[i + half] ? a[i] : a[i + half];
    return a[0];
}

static inline float sum_of(vector a) {
    for (int half = REGISTER / 2; half; half /= 2)
        for (int i = 0; i < half; i++) a[i] += a[i + half];
    return a[0];
}

/* A value as a bfloat16 holds it. */
static inline float rounded(float value) { return from_bf16(to_bf16(value)); }

static inline float kept(float value, int narrow) { return narrow ? rounded(value) : value; }

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

static inline int64_t whole_blocks(int64_t positions) {
    return (positions + BLOCK - 1) / BLOCK * BLOCK;
}

/* exp(score - the largest) in place, of `count` scores, a multiple of BLOCK; returns their sum, and
   the largest in `largest`. */
static inline float soften(float *scores, int64_t count, float *largest) {
    float most[BLOCK], sums[BLOCK] = {0}, sum = 0.0f;
    for (int c = 0; c < BLOCK; c++) most[c] = -INFINITY;
    for (int64_t j = 0; j < count; j += BLOCK)
#pragma omp simd
        for (int c = 0; c < BLOCK; c++) most[c] = scores[j + c] > most[c] ? scores[j + c] : most[c];
    for (int c = 1; c < BLOCK; c++) most[0] = most[c] > most[0] ? most[c] : most[0];
    for (int64_t j = 0; j < count; j += BLOCK)
#pragma omp simd
        for (int c = 0; c < BLOCK; c++)
            sums[c] += scores[j + c] = exponential(scores[j + c] - most[0]);
    for (int c = 0; c < BLOCK; c++) sum += sums[c];
    *largest = most[0];
    return sum;
}
