/* SPDX-License-Identifier: Apache-2.0 */
#include "analyse_case.h"

#include <check.h>
#include <math.h>
#include <string.h>

static const char *const names[CASE_MAX_INPUTS] = {"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"};

static enum err_code case_values(const struct field *field, const struct field_rows *rows,
                                 struct arena *scratch, double *y, struct err *err)
{
    const struct analyse_case *self = field->ctx;
    size_t n = (size_t)rows->n;
    /* Memory, so that failures of it are seen here as they would be in a model. */
    if (arena_alloc(scratch, n * sizeof(double)) == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a case");
    }
    for (size_t i = 0; i < (size_t)rows->m * n; i++) {
        self->fn(rows->first + (int)(i / n), rows->x + i % n * (size_t)field->d,
                 y + i * (size_t)field->o, NULL);
    }
    return ERR_OK;
}

static enum err_code case_jacobian(const struct field *field, const struct field_rows *rows,
                                   struct arena *scratch, double *jac, struct err *err)
{
    const struct analyse_case *self = field->ctx;
    size_t n = (size_t)rows->n;
    double y[CASE_MAX_OUTPUTS];
    (void)scratch;
    for (size_t i = 0; i < (size_t)rows->m * n; i++) {
        self->fn(rows->first + (int)(i / n), rows->x + i % n * (size_t)field->d, y,
                 jac + i * (size_t)(field->o * field->d));
    }
    return err->code;
}

void analyse_case_init(struct analyse_case *self, case_fn *fn, int d, int o, int m)
{
    static const struct field_ops ops = {.values = case_values, .jacobian = case_jacobian};
    static const double cube[] = {0.0, 1.0};
    memset(self, 0, sizeof *self);
    self->fn = fn;
    self->field = (struct field){.ops = &ops, .d = d, .o = o, .m = m, .ctx = self};
    for (int b = 0; b < d; b++) {
        self->inputs[b].name = (char *)names[b];
        analyse_case_set(self, b, SPACE_UNIFORM, cube);
    }
    self->spec = (struct analyse_spec){
        .seed = 1, .replicates = 16, .n = 256, .input_names = names, .output_names = names};
    self->run = (struct analyse_run){
        .spec = &self->spec, .field = &self->field, .laws = self->laws, .terms.n_threads = 1};
}

void analyse_case_release(struct analyse_case *self)
{
    arena_release(&self->arena);
}

void analyse_case_set(struct analyse_case *self, int input, enum space_distribution_kind kind,
                      const double *p)
{
    struct err err = ERR_INIT;
    struct space_input *of = &self->inputs[input];
    of->distribution.kind = kind;
    memset(of->distribution.p, 0, sizeof of->distribution.p);
    for (int k = 0; k < SPACE_MAX_PARAMETERS && space_parameter_name(kind, k) != NULL; k++) {
        of->distribution.p[k] = p[k];
    }
    ck_assert_int_eq(law_of_input(of, &self->laws[input], &err), ERR_OK);
}

void analyse_case_run(struct analyse_case *self)
{
    struct err err = ERR_INIT;
    arena_release(&self->arena);
    ck_assert_msg(analyse_run(&self->run, &self->arena, &self->result, &err) == ERR_OK, "%s",
                  err.msg);
}

const struct analyse_table *analyse_case_table(const struct analyse_case *self, const char *name)
{
    for (int i = 0; i < self->result.n_tables; i++) {
        if (strcmp(self->result.tables[i].name, name) == 0) {
            return &self->result.tables[i];
        }
    }
    ck_abort_msg("no table %s", name);
    return NULL;
}

size_t analyse_case_at(const struct analyse_case *self, const char *name, size_t i)
{
    const struct analyse_table *table = analyse_case_table(self, name);
    ck_assert_uint_lt(i, table->count);
    return table->first + i;
}

static void ishigami(int draw, const double *x, double *y, double *jac)
{
    double b = 0.1;
    double a = 7.0;
    y[0] = sin(x[0]) + a * sin(x[1]) * sin(x[1]) + b * pow(x[2], 4) * sin(x[0]) + 100.0 * draw;
    if (jac != NULL) {
        jac[0] = cos(x[0]) * (1.0 + b * pow(x[2], 4));
        jac[1] = 2.0 * a * sin(x[1]) * cos(x[1]);
        jac[2] = 4.0 * b * pow(x[2], 3) * sin(x[0]);
    }
}

void analyse_case_ishigami(struct analyse_case *self, int m)
{
    const double range[] = {-M_PI, M_PI};
    analyse_case_init(self, ishigami, 3, 1, m);
    for (int b = 0; b < 3; b++) {
        analyse_case_set(self, b, SPACE_UNIFORM, range);
    }
}
