/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version from a file, predicted in this process by the functions that the server predicts with.
 * None of what is called here uses OpenBLAS, but for results that the library does not have.
 */
#include "library/handle.h"

#include "formats/model_file.h"
#include "library/predict_parts.h"
#include "model/codec.h"
#include "model/space_rows.h"
#include "predict/predict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

/* ---- the file ---- */

static enum err_code read_file(FILE *file, const char *path, void **out, size_t *n_bytes,
                               struct err *err)
{
    struct stat about;
    if (fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode)) {
        return err_set(err, ERR_IO, "%.150s is not a file", path);
    }
    size_t size = (size_t)about.st_size;
    unsigned char *bytes = mem_alloc(size + 1);
    if (bytes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %.150s of %zu bytes", path, size);
    }
    errno = 0;
    size_t n = fread(bytes, 1, size, file);
    if (n != size) {
        mem_free(bytes);
        return err_set(err, ERR_IO, "%.150s cannot be read: %s", path,
                       ferror(file) ? strerror(errno) : "it became shorter meanwhile");
    }
    *out = bytes;
    *n_bytes = size;
    return ERR_OK;
}

static enum err_code take_model(struct surr *s, const struct model_file *file, const char *name,
                                struct err *err)
{
    if (name != NULL && strcmp(name, file->model) != 0) {
        return err_set(err, ERR_NOT_FOUND, "the file holds model %.80s, not %.80s", file->model,
                       name);
    }
    s->name = mem_strdup(file->model);
    if (s->name == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a handle");
    }
    if (codec_decode(file->content, file->n_content, &s->model, err) != ERR_OK) {
        mem_free(s->name);
        s->name = NULL;
        return err->code;
    }
    s->version = file->version;
    return ERR_OK;
}

enum err_code file_model_open(struct surr *s, const char *path, const char *name, struct err *err)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    struct model_file content;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return err_set(err, ERR_IO, "%.150s cannot be opened: %s", path, strerror(errno));
    }
    if (read_file(file, path, &bytes, &n_bytes, err) == ERR_OK &&
        (model_file_read(bytes, n_bytes, &content, err) != ERR_OK ||
         take_model(s, &content, name, err) != ERR_OK)) {
        err_prefix(err, "%.100s", path);
    }
    mem_free(bytes);
    fclose(file);
    return err->code;
}

/* ---- predictions ---- */

/* Words, which are NaN so far, become places of members too. */
static enum err_code place_words(const struct space *space, const struct surr_rows *inputs,
                                 const struct space_rows *rows, int first, struct err *err)
{
    char wanted[SPACE_WANTED_CHARS] = "a number is needed";
    for (int k = 0; k < inputs->n_words; k++) {
        const struct surr_words *given = &inputs->words[k];
        const struct space_input *input = space != NULL ? &space->inputs[given->column] : NULL;
        for (size_t i = 0; i < rows->n; i++) {
            int row = first + (int)i;
            const char *word = given->words[row];
            int place =
                input != NULL && input->n_values > 0 ? space_member(input, word, strlen(word)) : -1;
            if (place < 0) {
                if (input != NULL && input->n_values > 0) {
                    space_describe_wanted(input, wanted);
                }
                return err_set_at(err, ERR_INVALID, row, given->column,
                                  "inputs: row %d, column %d%s%.40s%s is \"%.40s\", %s", row,
                                  given->column, input != NULL ? " (\"" : "",
                                  input != NULL ? input->name : "", input != NULL ? "\")" : "",
                                  word, wanted);
            }
            rows->v[i * rows->stride + (size_t)given->column] = (double)place;
        }
    }
    return ERR_OK;
}

/* As the server takes numbers under a space: those of categories become places of members. */
static enum err_code place_members(const struct space *space, const struct surr_rows *inputs,
                                   const struct space_rows *rows, int first, struct err *err)
{
    struct space_fault fault;
    char wanted[SPACE_WANTED_CHARS];
    bool wrong = space != NULL && space_place_numbers(space, rows, &fault);
    if (!wrong && place_words(space, inputs, rows, first, err) != ERR_OK) {
        return err->code;
    }
    if (!wrong && (space == NULL || !space_find_fault(space, rows, &fault))) {
        return ERR_OK;
    }
    int row = first + (int)fault.row;
    space_describe_wanted(&space->inputs[fault.column], wanted);
    return err_set_at(err, ERR_INVALID, row, fault.column,
                      "inputs: row %d, column %d (\"%.40s\") is %.15g, %s", row, fault.column,
                      space->inputs[fault.column].name, fault.value, wanted);
}

static int64_t count_outside(const struct model *model, const double *x, size_t n)
{
    int64_t rows = 0;
    size_t d = (size_t)model->d;
    for (size_t i = 0; model->training_range != NULL && i < n; i++) {
        bool outside = false;
        for (size_t j = 0; j < d; j++) {
            outside |= space_is_outside(model->training_range + 2 * j, x[i * d + j]);
        }
        rows += outside;
    }
    return rows;
}

static enum err_code predict_part(const struct surr *s, const struct predict_parts *parts,
                                  int first, struct arena *arena, struct err *err)
{
    size_t d = (size_t)parts->inputs->n_columns;
    int n = predict_parts_count(parts, first);
    struct predict_result result;
    struct predict_request req = {.n = n, .first_row = first, .n_threads = s->n_threads};
    double *x = arena_alloc_array(arena, (size_t)n * d, sizeof *x);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the prediction");
    }
    rows_read(parts->inputs, first, n, x, d);
    req.x = x;
    const struct space_rows rows = {(size_t)n, d, x};
    if (place_members(s->model->space, parts->inputs, &rows, first, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < parts->n_results; k++) {
        req.want |= 1U << parts->results[k].index;
    }
    if (predict_check(s->model, &req, err) != ERR_OK ||
        predict_run(s->model, &req, arena, &result, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < parts->n_results && err->code == ERR_OK; k++) {
        const struct part_result *wanted = &parts->results[k];
        err_kept(predict_parts_write(parts, wanted, first, result.at[wanted->index], err));
    }
    parts->out->n_extrapolated += count_outside(s->model, x, (size_t)n);
    return err->code;
}

enum err_code file_predict(struct surr *s, const struct predict_parts *parts, struct err *err)
{
    struct arena arena = ARENA_INIT;
    if (predict_parts_check(parts, s->model->d, s->model->o, err) != ERR_OK) {
        return err->code;
    }
    for (int first = 0; first < parts->inputs->n_rows && err->code == ERR_OK;
         first += predict_parts_count(parts, first)) {
        err_kept(predict_part(s, parts, first, &arena, err));
        arena_clear(&arena);
    }
    parts->out->version = s->version;
    arena_release(&arena);
    return err->code;
}
