/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inverse problem: which inputs explain observations y_er of experiments e = 1 .. E,
 *
 *   y_er = f(x, c_e) + delta_e + eps_er,
 *
 * with the calibrated inputs x, distributed a priori as the space says, the inputs c_e that an
 * experiment has fixed, independent noise eps of known or unknown variance, and, if wanted, a
 * discrepancy delta_e of the simulation, independent between experiments [1].
 *
 * What the surrogate does not know of f enters in one of four ways:
 *
 *   none        f is the mean of the draws
 *   variance    and their variance is added to that of the noise, for each number by itself
 *   covariance  and their covariance between all experiments and outputs is added
 *   draws       each draw is calibrated by itself, and the draws of all are joined
 *
 * The posterior is drawn by the No-U-Turn sampler in the standard normal scores of the inputs and
 * the logarithms of standard deviations, with exact gradients. Its evidence comes from bridge
 * sampling [2] between the draws and a normal distribution. A posterior of several modes, between
 * which chains do not find their way, needs parallel tempering, which has the evidence as well.
 *
 * [1] M. C. Kennedy, A. O'Hagan, Bayesian calibration of computer models, JRSS B 63(3), 2001.
 * [2] X.-L. Meng, W. H. Wong, Simulating ratios of normalizing constants via a simple identity,
 *     Statistica Sinica 6, 1996.
 */
#ifndef CALIBRATE_H
#define CALIBRATE_H

#include "analyse/field.h"
#include "analyse/law.h"
#include "analyse/terms.h"
#include "base/names.h"

enum calibrate_error { CALIBRATE_NONE, CALIBRATE_VARIANCE, CALIBRATE_COVARIANCE, CALIBRATE_DRAWS };
const char *calibrate_error_name(enum calibrate_error error);
struct names calibrate_error_known(void);

#define CALIBRATE_MAX_NUMBERS      500 /* observed outputs of all experiments, replicates joined */
#define CALIBRATE_MAX_CHAINS       64
#define CALIBRATE_MAX_STEPS        1000000
#define CALIBRATE_MAX_TEMPERATURES 32
#define CALIBRATE_MAX_KEPT         ((size_t)1 << 24) /* numbers of samples and predictions together */
#define CALIBRATE_SPREAD           1.5 /* standard deviation of the logarithm of an unknown sigma */

/* All arrays are borrowed. */
struct calibrate_experiment {
    const double
        *fixed;      /* [d] the inputs of the experiment; NaN: calibrated. NULL: none is fixed */
    int n;           /* replicates */
    const double *y; /* [n x o] */
};

struct calibrate_spec {
    enum calibrate_error error;
    uint64_t seed;
    int chains; /* of each draw for CALIBRATE_DRAWS */
    int warmup, draws;
    int temperatures; /* 1, or of parallel tempering (calibrate_ladder.h) */
    int n_experiments;
    const struct calibrate_experiment *experiments;
    /* The noise of one replicate: its standard deviations, or its covariance [o x o]; both NULL:
     * they are inferred. Then, and for a discrepancy, `scale` is where its prior is: the logarithm
     * is normal around that of a scale, with the standard deviation CALIBRATE_SPREAD. */
    const double *sigma;
    const double *covariance;
    const double *scale; /* [o] */
    bool discrepancy;
};

struct calibrate_run {
    const struct calibrate_spec *spec;
    const struct field *field;
    const struct law *laws;       /* [d] of the calibrated inputs continuous, the others fixed */
    const double *training_range; /* [d x 2] or NULL */
    struct analyse_terms terms;   /* tasks of the checkpoint: chains */
};

/* Parameters: the k calibrated inputs in the user's units, then the o unknown sigmas, then the o
 * standard deviations of the discrepancy. */
struct calibrate_result {
    int n_parameters, k;
    int *inputs;       /* [k] which are calibrated */
    int n_draws;       /* of all chains together */
    double *draws;     /* [n_draws x n_parameters], chain after chain */
    double *rhat;      /* [n_parameters] of the chains; the largest of any draw of the surrogate */
    double *ess_bulk;  /* [n_parameters] summed over draws of the surrogate */
    double *ess_tail;  /* [n_parameters] */
    double *predicted; /* [n_draws x E x o] f of the surrogate's mean, or of the chain's draw */
    long n_divergent;
    double log_evidence; /* of all observations; of draws that are calibrated by themselves the
                            logarithm of their mean; NaN: not found */
    double outside; /* the share of draws with an input outside the training range; NaN: unknown */
};

/* The errors of calibrate_run that can be found without computing. */
enum err_code calibrate_check(const struct calibrate_run *run, struct err *err) MUST_CHECK;

/*
 * ERR_INVALID: a number outside its limits, an input that is neither continuous nor fixed in all
 * experiments, no input to calibrate. ERR_LIMIT. ERR_NUMERIC: no start has a density, or a result
 * is not finite. ERR_CANCELLED, ERR_CORRUPT, ERR_NOMEM, ERR_UNSUPPORTED.
 */
enum err_code calibrate_run(const struct calibrate_run *run, struct arena *arena,
                            struct calibrate_result *out, struct err *err) MUST_CHECK;

#endif
