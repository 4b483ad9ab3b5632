/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes are read as this machine has them, so it must be little-endian. */
#include "formats/tensor_type.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they are stored");

#define MAX_EXACT (INT64_C(1) << 53) /* integers up to it are doubles */

static const char *const oip_names[] = {
#define TENSOR_TYPE(TYPE, bytes, oip, safetensors) oip,
#include "formats/tensor_type.def"
#undef TENSOR_TYPE
};

static const char *const safetensors_names[] = {
#define TENSOR_TYPE(TYPE, bytes, oip, safetensors) safetensors,
#include "formats/tensor_type.def"
#undef TENSOR_TYPE
};

static const size_t sizes[] = {
#define TENSOR_TYPE(TYPE, bytes, oip, safetensors) bytes,
#include "formats/tensor_type.def"
#undef TENSOR_TYPE
};

struct names tensor_type_oip(void)
{
    return (struct names){oip_names, TENSOR_N_TYPES};
}

struct names tensor_type_safetensors(void)
{
    return (struct names){safetensors_names, TENSOR_N_TYPES};
}

size_t tensor_type_size(enum tensor_type type)
{
    return sizes[type];
}

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
static double read_half(uint16_t bits)
{
    int exponent = (bits >> 10) & 31;
    double fraction = (double)(bits & 1023) / 1024.0;
    double value = exponent == 31  ? (fraction == 0.0 ? INFINITY : NAN)
                   : exponent == 0 ? ldexp(fraction, -14)
                                   : ldexp(1.0 + fraction, exponent - 15);
    return (bits & 0x8000) != 0 ? -value : value;
}

/* The upper half of a float32. */
static double read_brain(uint16_t bits)
{
    uint32_t whole = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &whole, sizeof value);
    return (double)value;
}

/* A function that copies each number into a `value` of type C and makes a double of it. */
#define DEFINE_READER(name, C, expression)                                                         \
    static bool name(const char *bytes, size_t n, double *out)                                     \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            C value;                                                                               \
            memcpy(&value, bytes + i * sizeof value, sizeof value);                                \
            out[i] = (expression);                                                                 \
        }                                                                                          \
        return true;                                                                               \
    }
DEFINE_READER(read_f64, double, value)
DEFINE_READER(read_f32, float, (double)value)
DEFINE_READER(read_f16, uint16_t, read_half(value))
DEFINE_READER(read_bf16, uint16_t, read_brain(value))
DEFINE_READER(read_i32, int32_t, (double)value)
DEFINE_READER(read_i16, int16_t, (double)value)
DEFINE_READER(read_i8, int8_t, (double)value)
DEFINE_READER(read_u32, uint32_t, (double)value)
DEFINE_READER(read_u16, uint16_t, (double)value)
DEFINE_READER(read_u8, uint8_t, (double)value)
#undef DEFINE_READER

static bool read_int64(const char *bytes, size_t n, double *out, size_t *bad)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        if (value > MAX_EXACT || value < -MAX_EXACT) {
            *bad = i;
            return false;
        }
        out[i] = (double)value;
    }
    return true;
}

static bool read_uint64(const char *bytes, size_t n, double *out, size_t *bad)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        if (value > (uint64_t)MAX_EXACT) {
            *bad = i;
            return false;
        }
        out[i] = (double)value;
    }
    return true;
}

bool tensor_type_read(enum tensor_type type, const char *bytes, size_t n, double *out, size_t *bad)
{
    switch (type) {
    case TENSOR_F64:
        return read_f64(bytes, n, out);
    case TENSOR_F32:
        return read_f32(bytes, n, out);
    case TENSOR_F16:
        return read_f16(bytes, n, out);
    case TENSOR_BF16:
        return read_bf16(bytes, n, out);
    case TENSOR_I64:
        return read_int64(bytes, n, out, bad);
    case TENSOR_I32:
        return read_i32(bytes, n, out);
    case TENSOR_I16:
        return read_i16(bytes, n, out);
    case TENSOR_I8:
        return read_i8(bytes, n, out);
    case TENSOR_U64:
        return read_uint64(bytes, n, out, bad);
    case TENSOR_U32:
        return read_u32(bytes, n, out);
    case TENSOR_U16:
        return read_u16(bytes, n, out);
    case TENSOR_U8:
        return read_u8(bytes, n, out);
    case TENSOR_N_TYPES:
        break;
    }
    *bad = 0;
    return false;
}

static bool is_integer_in(double value, double low, double high)
{
    return value >= low && value <= high && value == floor(value);
}

bool tensor_type_fit(enum tensor_type type, double *value)
{
    const double v = *value;
    switch (type) {
    case TENSOR_F64:
        return isfinite(v);
    case TENSOR_F32:
        *value = (double)(float)v;
        return isfinite(*value);
    case TENSOR_F16:
        return fabs(v) <= 65504.0; /* its largest number */
    case TENSOR_BF16:
        return fabs(v) <= (double)FLT_MAX;
    case TENSOR_I64:
        return is_integer_in(v, -(double)MAX_EXACT, (double)MAX_EXACT);
    case TENSOR_I32:
        return is_integer_in(v, INT32_MIN, INT32_MAX);
    case TENSOR_I16:
        return is_integer_in(v, INT16_MIN, INT16_MAX);
    case TENSOR_I8:
        return is_integer_in(v, INT8_MIN, INT8_MAX);
    case TENSOR_U64:
        return is_integer_in(v, 0.0, (double)MAX_EXACT);
    case TENSOR_U32:
        return is_integer_in(v, 0.0, UINT32_MAX);
    case TENSOR_U16:
        return is_integer_in(v, 0.0, UINT16_MAX);
    case TENSOR_U8:
        return is_integer_in(v, 0.0, UINT8_MAX);
    case TENSOR_N_TYPES:
        break;
    }
    return false;
}

bool tensor_type_fits_float(const double *values, size_t n, size_t *bad)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite((float)values[i])) {
            *bad = i;
            return false;
        }
    }
    return true;
}
