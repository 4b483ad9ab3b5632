/* SPDX-License-Identifier: Apache-2.0 */
/*
 * from_chars accepts more than JSON allows (1., .5, 007, inf), so the token is checked against
 * JSON's grammar first, which also finds where it ends.
 */
#include "base/numtext.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace
{

const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

/* Where the number at p ends; p itself when there is no number. */
const char *token_end(const char *p, const char *end)
{
    const char *start = p;
    p += p < end && *p == '-';
    const char *digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1)) {
        return start;
    }
    if (p < end && *p == '.') {
        const char *fraction = p + 1;
        p = skip_digits(fraction, end);
        if (p == fraction) {
            return start;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        const char *exponent = p;
        p = skip_digits(exponent, end);
        if (p == exponent) {
            return start;
        }
    }
    return p;
}

/*
 * Numbers with one to three decimals, which people often write, are the slow ones for to_chars: it
 * takes their digits from the full expansion one by one. They are q/1000 for an integer q, and a
 * decimal of at most 15 digits that reads back as the value is its shortest form. Returns the end
 * of the text, or `out` when the value is not such a number.
 */
char *write_thousandths(double value, char *out)
{
    double scaled = value * 1000.0;
    if (!(std::fabs(scaled) < 1e15) || scaled != std::nearbyint(scaled)) {
        return out;
    }
    long long q = static_cast<long long>(scaled);
    if (q % 1000 == 0 || static_cast<double>(q) / 1000.0 != value) {
        return out;
    }
    if (q < 0) {
        *out++ = '-';
        q = -q;
    }
    char *at = std::to_chars(out, out + NUMTEXT_MAX - 1, q / 1000).ptr;
    int rest = static_cast<int>(q % 1000);
    *at++ = '.';
    for (int place = 100; rest > 0; place /= 10) {
        *at++ = static_cast<char>('0' + rest / place);
        rest %= place;
    }
    return at;
}

/*
 * A number too large or too small for a double. It is rare, so that a copy for strtod does not
 * matter, and the copy is kept out of the function that reads all other numbers: a buffer there
 * would cost each of them the stack protector's check.
 */
[[gnu::noinline, gnu::cold]] enum numtext_status read_out_of_range(const char *at, const char *stop,
                                                                   double *value)
{
    char small[64];
    size_t len = static_cast<size_t>(stop - at);
    const char *exponent = at;
    while (exponent < stop && *exponent != 'e' && *exponent != 'E') {
        exponent++;
    }
    if (len < sizeof small) {
        for (size_t i = 0; i < len; i++) {
            small[i] = at[i];
        }
        small[len] = '\0';
        *value = std::strtod(small, nullptr);
        return std::isfinite(*value) ? NUMTEXT_OK : NUMTEXT_OVERFLOW;
    }
    /* The token is very long: the sign of its exponent decides. */
    bool tiny = exponent + 1 < stop && exponent[1] == '-';
    *value = 0.0;
    return tiny ? NUMTEXT_OK : NUMTEXT_OVERFLOW;
}

} /* namespace */

enum numtext_status numtext_read(const char *at, const char *end, const char **next, double *value)
{
    const char *stop = token_end(at, end);
    if (stop == at) {
        return NUMTEXT_SYNTAX;
    }
    *next = stop;
    std::from_chars_result result = std::from_chars(at, stop, *value);
    if (result.ec == std::errc()) {
        return NUMTEXT_OK;
    }
    return read_out_of_range(at, stop, value);
}

size_t numtext_write(double value, char *out)
{
    char *end = write_thousandths(value, out);
    if (end == out) {
        /* Written out, these would be integers that most readers of JSON refuse. */
        bool beyond = std::fabs(value) >= 0x1p63;
        end = beyond ? std::to_chars(out, out + NUMTEXT_MAX, value, std::chars_format::scientific).ptr
                     : std::to_chars(out, out + NUMTEXT_MAX, value).ptr;
    }
    return static_cast<size_t>(end - out);
}
