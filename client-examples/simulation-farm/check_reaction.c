/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the simulator right? Closed forms (without diffusion each point follows the logistic curve;
 * without reaction the mass is kept and the bump spreads as a sum of Gaussians), and the order of
 * convergence in space and time.
 */
#include "reaction.h"

#include <math.h>
#include <stdio.h>

static int failures;

static void expect(const char *what, double value, double low, double high)
{
    int ok = value >= low && value <= high;
    printf("%s %s: %g in [%g, %g]\n", ok ? "ok  " : "FAIL", what, value, low, high);
    failures += !ok;
}

static struct reaction_result run(struct reaction p, int nodes, double tolerance)
{
    struct reaction_grid grid = {.n_nodes = nodes, .tolerance = tolerance, .end = 1.0};
    struct reaction_result r = {NAN, NAN, NAN};
    if (!reaction_run(&p, &grid, &r)) {
        failures++;
    }
    return r;
}

/*
 * u(0.5, 1) of u_t = D u_xx from A exp(-(x / b)^2), b = 0.2: on the whole line a Gaussian of width
 * s^2 = b^2 + 4 D t; the ends without flux reflect it, so its images stand at 2 n. At x = 1 the
 * bump is exp(-25) high, which is all that the images leave out.
 */
static double spread_bump(double diffusivity, double amplitude)
{
    double b2 = 0.2 * 0.2;
    double s2 = b2 + 4.0 * diffusivity;
    double sum = 0.0;
    for (int n = -3; n <= 3; n++) {
        double x = 0.5 - 2.0 * (double)n;
        sum += exp(-x * x / s2);
    }
    return amplitude * sqrt(b2 / s2) * sum;
}

int main(void)
{
    const struct reaction p = {0.01, 6.0, 1.0, 0.5};

    /* u' = (k - m) u - k u^2 has the solution u0 q e^{bt} / (q + u0 (e^{bt} - 1)), b = k - m, q =
     * b/k */
    struct reaction_result still = run((struct reaction){1e-12, 6.0, 1.0, 0.5}, 41, 1e-8);
    double u0 = 0.5 * exp(-(0.5 / 0.2) * (0.5 / 0.2));
    double b = 5.0;
    double q = b / 6.0;
    double exact = u0 * q * exp(b) / (q + u0 * (exp(b) - 1.0));
    expect("logistic growth, relative error", fabs(still.middle / exact - 1.0), 0.0, 1e-6);

    struct reaction_result kept = run((struct reaction){0.02, 0.0, 0.0, 0.5}, 161, 1e-7);
    expect("mass without reaction, relative change", fabs(kept.mass / kept.mean_mass - 1.0), 0.0,
           1e-9);

    const struct reaction diffusion = {0.02, 0.0, 0.0, 0.5};
    double spread = spread_bump(0.02, 0.5);
    double far = fabs(run(diffusion, 41, 1e-9).middle - spread);
    double near = fabs(run(diffusion, 81, 1e-9).middle - spread);
    expect("diffusion alone, order against the exact solution", log2(far / near), 1.9, 2.1);
    expect("diffusion alone, relative error on the default grid",
           fabs(run(diffusion, 161, 1e-9).middle / spread - 1.0), 0.0, 1e-4);

    double coarse = run(p, 41, 1e-9).middle;
    double medium = run(p, 81, 1e-9).middle;
    double fine = run(p, 161, 1e-9).middle;
    expect("order in space", log2((coarse - medium) / (medium - fine)), 1.8, 2.2);

    double reference = run(p, 81, 1e-10).middle;
    double loose = fabs(run(p, 81, 1e-4).middle - reference);
    double tight = fabs(run(p, 81, 1e-6).middle - reference);
    /* Error per step ~ tolerance ~ h^2, and the order is 2: 100 times tighter, 100 times better. */
    expect("gain of a hundred times tighter tolerance", loose / tight, 40.0, 250.0);

    double used = run(p, reaction_default_grid().n_nodes, reaction_default_grid().tolerance).middle;
    expect("error of the default grid, relative", fabs(used / run(p, 641, 1e-8).middle - 1.0), 0.0,
           1e-3);
    printf("%d failed\n", failures);
    return failures == 0 ? 0 : 1;
}
