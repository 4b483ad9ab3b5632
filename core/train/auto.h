/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training that nobody has to configure: candidates (solver, width, layers, basis, scaling of the
 * outputs) are compared by cross-validation, and the best one is trained.
 *
 * `auto` is not a solver but a layer above train.h: it runs trainings of solvers, and the model is
 * of the solver that was chosen, which is what it is called. The model's report has the table of
 * the candidates.
 *
 * How a candidate is scored. The rows that train (split.h; rows kept out by the spec or for a
 * conformal calibration take no part in the choice) fall
 * into folds. The candidate is trained without a fold and scored on it: minus the log density that
 * the normal of its mean and total variance has at what was observed, with every output divided by
 * its standard deviation over all rows that train. So outputs of any unit count alike. An output
 * that a row misses does not count. The score is the mean over what was observed, the lower the
 * better.
 *
 * The last model. Unless the spec says which share of the rows is kept out (AUTO_FIXED_VALIDATION),
 * evidence is trained on all rows, once it has been scored on all folds: it needs none, and of few
 * rows each counts. Then the model's scores are those of the folds, where each row was predicted by
 * a model that was trained without it (train_cross.h), on fewer rows than the last one has. Other
 * solvers, and evidence where nothing was compared, keep AUTO_KEPT of the rows out. Where noise
 * would be measured on kept rows and there are none, it is the noise that is left of the squared
 * residuals in the folds.
 *
 * How one is chosen. Of two candidates the rows are the same, so what counts is the standard error
 * of their difference, which leaves out what makes rows hard for everybody. All candidates within
 * one such standard error of the best are tied with it. Of those within a quarter of one the
 * simplest is chosen, which has the fewest parameters in all its networks. Not of all that are
 * tied: the evidence takes from a large network what it does not need, and on smooth functions the
 * simplest of the tied was less accurate than the best.
 *
 * Fits without a fold are shorter than the last training, of fewer starts and iterations, since
 * they only have to tell candidates apart.
 *
 * Few rows. Below AUTO_MIN_ROWS rows that train, a comparison would be of noise: the first
 * candidate is trained at once. Up to AUTO_FEW_ROWS there are twice as many folds, so that nearly
 * all rows train. An output that only a few rows have may be missing outside of a fold; then
 * nothing can be compared, and again the first candidate is trained.
 *
 * Many rows. From AUTO_MANY_ROWS on one fold says enough, and each candidate is trained once.
 * `evidence` works with matrices of all parameters and goes over all rows at each step; beyond
 * AUTO_EVIDENCE_ROWS it is no candidate, and ensembles by minibatches of several sizes compete.
 *
 * Budget. In fits: every training counts as one, that of the last model too. What is tried, and the
 * result, then depend on rows, spec and seed alone, not on the machine, the number of threads or
 * interruptions. In seconds: a candidate begins, and goes on to its next fold, only if the time per
 * fit so far says that it and the last training will end in time. A fit of a comparison is stopped
 * when the seconds are used up; the last training never is, and takes what it takes. With both,
 * whichever ends first. A budget of fits that cannot score two candidates trains the first one at
 * once.
 *
 * Without either the budget is of work: the operations of the fits as they are estimated from rows
 * and networks beforehand, AUTO_WORK of them, which two cores do in about ten seconds. The first
 * candidate of each solver is scored in any case, but for ensembles where evidence has left next to
 * nothing to be learned. So the result is as reproducible as with a budget
 * of fits.
 *
 * Failures. A candidate whose training fails (it diverged, it is too large) is out, and the table
 * says why. When the last training fails the next best candidate takes its place. When all fail,
 * the first one is trained on all rows, and the error is that of this training. Runs that failed
 * take no part in the choice; P(run succeeds) is learned once, with the last model.
 *
 * Warm starts begin from a model whose network is settled, so there is nothing to choose: refused.
 * A later training with auto chooses again.
 */
#ifndef AUTO_H
#define AUTO_H

#include "train/train_cross.h"
#include "train/train_memory.h"

#define AUTO_MAX_CANDIDATES 16
#define AUTO_MAX_FOLDS      10

#define AUTO_MIN_ROWS      8     /* that train; below there is no comparison */
#define AUTO_FEW_ROWS      20    /* below there are AUTO_MAX_FOLDS folds, else half of that */
#define AUTO_MANY_ROWS     500   /* from here on the first fold alone is scored */
#define AUTO_FULL_ROWS     500   /* up to here evidence is tried with several networks */
#define AUTO_EVIDENCE_ROWS 10000 /* above evidence is no candidate */

/* The share of rows kept out for a solver that chooses its epoch, or measures its noise, by them,
 * or for scores where nothing was compared; unless the spec says (AUTO_FIXED_VALIDATION). */
#define AUTO_KEPT      0.1
#define AUTO_KEPT_MANY 0.05 /* the same where AUTO_KEEP_LESS rows or more train */
#define AUTO_KEEP_LESS 1000

/* Operations: the budget where none is given. One core did 1e10 to 3e10 of them in a second, of
 * evidence on 160 rows 1.7e10 and of ensembles 1e10, so that two take about ten seconds. */
#define AUTO_WORK 3e11

/* The solvers between which there is a choice. */
enum {
    AUTO_SOLVERS = 0
#define CANDIDATE(solver, width, layers, basis, scaling, min_rows, max_rows)                       \
    | (int)SOLVER_BIT(solver)
#include "train/auto_candidates.def"
#undef CANDIDATE
};

/* What the spec says and is not to be chosen; the rest of `base` is always as it says, but for
 * solver and settings. */
enum {
    AUTO_FIXED_WIDTH = 1 << 0,
    AUTO_FIXED_LAYERS = 1 << 1,
    AUTO_FIXED_BASIS = 1 << 2,
    AUTO_FIXED_ARCH = AUTO_FIXED_WIDTH | AUTO_FIXED_LAYERS | AUTO_FIXED_BASIS,
    AUTO_FIXED_NOISE = 1 << 3,
    AUTO_FIXED_PRIOR = 1 << 4,
    AUTO_FIXED_OUTPUT_SCALING = 1 << 5,
    AUTO_FIXED_OPTIMIZER = 1 << 6, /* leaves the solvers that use one */
    AUTO_FIXED_VALIDATION = 1 << 7
};

struct auto_spec {
    struct train_spec base; /* inputs and outputs of the architecture may be 0; not resolved */
    unsigned fixed;         /* AUTO_FIXED_*: taken from base */
    uint64_t settings; /* bits, as solver_setting_list counts: taken from base, by candidates of
                          solvers that have all of them; there are no others */
    int fits;          /* budget; 0: not limited */
    double seconds;    /* budget; 0: not limited */
};

enum auto_outcome {
    AUTO_WAITING, /* its turn has not come */
    AUTO_SCORED,  /* on all folds that are scored; not chosen yet */
    AUTO_CHOSEN,
    AUTO_TIED,      /* as good as the chosen one, which is simpler */
    AUTO_WORSE,     /* by more than a standard error */
    AUTO_DROPPED,   /* so much worse after some folds that the others were not tried */
    AUTO_FAILED,    /* `why` has the error */
    AUTO_BUDGET,    /* not tried, or not on all folds: beyond the budget */
    AUTO_TOO_LARGE, /* not tried: it needs more memory than there may be */
    AUTO_NEEDLESS   /* not tried: the best one has left next to nothing to be learned */
};
const char *auto_outcome_name(enum auto_outcome outcome);
struct names auto_outcome_known(void);

struct auto_candidate {
    char name[32];          /* "evidence_16x2_constant_log": what differs between candidates */
    struct train_spec spec; /* resolved, of the last training; borrows from auto_spec */
    double n_params;        /* of all its networks: the fewer, the simpler */
    double work;            /* of a fit, as the budget counts it */
    enum auto_outcome outcome;
    int n_folds;      /* scored so far */
    double score;     /* over those; NaN: none */
    double error;     /* its standard error */
    double gap;       /* score minus that of the best, on the rows that both were scored on */
    double gap_error; /* standard error of the gap; 0 for the best */
    double seconds;   /* of its fits; NaN without a clock */
    char why[240];    /* of AUTO_FAILED */
};

struct auto_table {
    int n;
    struct auto_candidate
        candidates[AUTO_MAX_CANDIDATES]; /* in the order in which they are tried */
    int n_rows;                          /* that train */
    int n_folds;                         /* into which these fall; 0: nothing was compared */
    int n_scored;                        /* the first folds, which are scored */
    int current;                         /* the candidate whose turn it is; n: the choice is made */
    int chosen;                          /* -1: not yet */
};

/* What is known of rows before they are read. */
struct auto_rows {
    struct train_load load;
    int width; /* of what the network sees: space_width */
    int outputs;
    int n_threads; /* that will train */
};

struct auto_run {
    const struct auto_spec *spec;
    /* Rows, threads, cancel, checkpoint and progress; spec, base, base_spec, report, cross_noise,
     * cross and settings_text are not taken from here. */
    struct train_run run;
    int64_t max_bytes; /* that a training may need (train_memory.h); 0: no limit */

    struct train_cross *cross; /* a zeroed one becomes what the chosen candidate predicted in the
                                  folds, where no rows are kept out; NULL: not wanted */
    double max_seconds; /* a limit besides the budget, for all but the last training; 0: none */

    /* A clock that never goes back, in seconds, asked by any thread; NULL: there is none, and no
     * budget of seconds. */
    double (*clock)(void *ctx);
    /* The text that is kept with the model as its settings, for the spec that was chosen, with its
     * calibration: *text (mem). NULL: none. */
    enum err_code (*describe)(void *ctx, const struct train_spec *chosen, char **text,
                              struct err *err);
    /* Called on the caller's thread whenever the table has changed; borrowed for the call. NULL:
     * not wanted. */
    void (*show)(void *ctx, const struct auto_table *table);
    void *ctx; /* of these three */
};

/* Checks everything that does not depend on the rows. ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT. */
enum err_code auto_validate(const struct auto_spec *spec, struct err *err) MUST_CHECK;

/*
 * Can any candidate be trained on rows of so many inputs (of the network) and outputs, in so many
 * bytes (0: no limit)? ERR_TOO_LARGE; ERR_SHAPE and others where the spec does not fit the rows.
 */
enum err_code auto_check_memory(const struct auto_spec *spec, const struct auto_rows *rows,
                                int64_t max_bytes, struct err *err) MUST_CHECK;

/*
 * A published model with one reference, trained on all rows as train_run does with the chosen spec.
 * Its report has "auto.rows", "auto.folds" (0: nothing was compared), "auto.scored_folds", and for
 * each candidate "auto.NAME.score" and, once a choice was made, "auto.NAME.gap", both with their
 * standard error behind them; "auto.NAME.folds", "auto.NAME.seconds" where the budget is in
 * seconds, and an item that is called as the outcome, "auto.NAME.chosen", with the number 1.
 *
 * table: filled, also on failure as far as it went; its specs borrow from run->spec.
 * Errors of train_run; those of auto_validate.
 */
enum err_code auto_train(const struct auto_run *run, struct auto_table *table, struct model **out,
                         struct err *err) MUST_CHECK;

#endif
