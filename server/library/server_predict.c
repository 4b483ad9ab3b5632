/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of a server. Rows go and results come as NumPy files, which hold the bits of the
 * numbers; rows with words go as JSON, whose numbers have digits enough. An answer has one result,
 * so each result and each part of long inputs is a request of its own; from the second on they name
 * the version that answered the first.
 */
#include "library/predict_parts.h"
#include "library/server_call.h"

#include "formats/media_type.h"
#include "formats/npy.h"
#include "formats/npy_head.h"

#include <endian.h>
#include <string.h>

#define PATH_CHARS   32
#define BEFORE_CHARS 48

static enum err_code encode_words(const struct predict_parts *parts, int first, struct arena *arena,
                                  struct payload *out, struct err *err)
{
    struct textbuf text = textbuf_in(arena);
    rows_write_json(parts->inputs, first, predict_parts_count(parts, first), &text);
    if (textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    *out = (struct payload){
        .type = MEDIA_TYPE_JSON, .bytes = text.data, .n_bytes = text.len, .after = "}"};
    return ERR_OK;
}

/* The rows of a part as the body of a request. */
static enum err_code encode_rows(const struct predict_parts *parts, int first, struct arena *arena,
                                 struct payload *out, struct err *err)
{
    size_t d = (size_t)parts->inputs->n_columns;
    int n = predict_parts_count(parts, first);
    if (parts->inputs->n_words > 0) {
        return encode_words(parts, first, arena, out, err);
    }
    const size_t shape[] = {(size_t)n, d};
    double *x = arena_alloc_array(arena, (size_t)n * d, sizeof *x);
    const struct npy_array array = {
        .values = x, .rank = 2, .shape = shape, .single = parts->inputs->type == SURR_REAL32};
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    rows_read(parts->inputs, first, n, x, d);
    out->type = MEDIA_TYPE_NPY;
    return npy_write(&array, arena, &out->bytes, &out->n_bytes, err);
}

static double load_number(const unsigned char *at, size_t item)
{
    if (item == 4) {
        uint32_t bits;
        float value;
        memcpy(&bits, at, sizeof bits);
        bits = le32toh(bits);
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    uint64_t bits;
    double value;
    memcpy(&bits, at, sizeof bits);
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Has the answer the shape that was asked for? Its outputs are the axis after the rows. */
static enum err_code check_shape(const struct predict_parts *parts,
                                 const struct part_result *result, int first,
                                 const struct npy_layout *head, struct err *err)
{
    size_t n = (size_t)predict_parts_count(parts, first);
    size_t o = (size_t)parts->out->n_outputs;
    size_t d = (size_t)parts->inputs->n_columns;
    bool derivatives = result->index == PREDICT_INDEX_JACOBIAN;
    int axis = derivatives ? 1 : 0;
    bool fits = head->n_fields == 0 && !head->fortran && head->rank == (derivatives ? 4 : 2) &&
                head->shape[axis] == n &&
                (!derivatives || (head->shape[0] == 2 && head->shape[3] == d));
    if (!fits) {
        return err_set(err, ERR_CORRUPT,
                       "the answer has another shape than was asked for: is a "
                       "surrogated there?");
    }
    if (head->shape[axis + 1] != o) {
        return predict_parts_check(parts, (int)d, (int)head->shape[axis + 1], err);
    }
    return ERR_OK;
}

static enum err_code read_answer(const struct predict_parts *parts,
                                 const struct part_result *result, int first,
                                 const struct answer *answer, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct npy_layout head;
    const unsigned char *bytes = (const unsigned char *)answer->data;
    size_t n = (size_t)predict_parts_count(parts, first) * predict_parts_width(parts, result);
    if (bytes == NULL || npy_head_read(bytes, answer->n_data, &arena, &head, err) != ERR_OK) {
        bool no_memory = err->code == ERR_NOMEM;
        err_clear(err);
        err_set(err, no_memory ? ERR_NOMEM : ERR_CORRUPT,
                no_memory ? "no memory for the answer"
                          : "the answer is no NumPy file: is a surrogated there?");
        goto done;
    }
    if (check_shape(parts, result, first, &head, err) != ERR_OK) {
        goto done;
    }
    if (answer->n_data - head.data != n * head.item) {
        err_set(err, ERR_CORRUPT, "the answer was cut: it has %zu bytes of numbers, not %zu",
                answer->n_data - head.data, n * head.item);
        goto done;
    }
    double *values = arena_alloc_array(&arena, n, sizeof *values);
    if (values == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the answer");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = load_number(bytes + head.data + i * head.item, head.item);
    }
    err_kept(predict_parts_write(parts, result, first, values, err));
done:
    arena_release(&arena);
    return err->code;
}

struct exchange_of_part {
    struct surr *s;
    struct link *link;
    const struct predict_parts *parts;
    struct arena arena;
    struct outcome *outcome;
};

static enum err_code ask_for_result(struct exchange_of_part *x, const struct part_result *result,
                                    int first, const struct payload *rows, struct err *err)
{
    char rest[PATH_CHARS];
    char before[BEFORE_CHARS];
    bool words = x->parts->inputs->n_words > 0;
    struct surr_prediction *out = x->parts->out;
    struct answer answer;
    const char *name = predict_kinds[result->index].name;
    snprintf(rest, sizeof rest, words ? "/predict" : "/predict?return=%s", name);
    snprintf(before, sizeof before, "{\"return\":[\"%s\"],\"inputs\":", name);
    struct call call = {.method = "POST",
                        .path = server_version_path(x->s, &x->arena, out->version, rest),
                        .payload = *rows,
                        .at_once = true,
                        .repeats = true};
    if (words) {
        call.payload.before = before;
        call.headers[0] = "Accept: " MEDIA_TYPE_NPY;
    }
    if (server_call(x->s, x->link, &call, &answer, x->outcome, err) == ERR_OK &&
        read_answer(x->parts, result, first, &answer, err) == ERR_OK) {
        out->version = answer.version;
        if (result == &x->parts->results[0]) {
            out->n_extrapolated += answer.n_extrapolated;
        }
    }
    answer_release(&answer);
    return err->code;
}

enum err_code server_predict(struct surr *s, const struct predict_parts *parts,
                             struct outcome *outcome, struct err *err)
{
    struct exchange_of_part x = {.s = s, .parts = parts, .arena = ARENA_INIT, .outcome = outcome};
    if (link_take(s, &x.link, err) != ERR_OK) {
        return err->code;
    }
    for (int first = 0; first < parts->inputs->n_rows && err->code == ERR_OK;
         first += predict_parts_count(parts, first)) {
        struct payload rows = {.type = NULL};
        err_kept(encode_rows(parts, first, &x.arena, &rows, err));
        for (int k = 0; k < parts->n_results && err->code == ERR_OK; k++) {
            err_kept(ask_for_result(&x, &parts->results[k], first, &rows, err));
        }
        if (err->code != ERR_OK && err->row >= 0 && first > 0) {
            err_prefix(err, "in the part from row %d on", first);
        }
        arena_clear(&x.arena);
    }
    link_return(s, x.link);
    arena_release(&x.arena);
    return err->code;
}
