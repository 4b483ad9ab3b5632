/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks the simulation against closed forms and for its orders of convergence in space and time.
 * Without diffusion each point follows the logistic curve; without reaction the mass is constant
 * and the bump spreads as a sum of Gaussians.
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

static struct reaction_result simulate(struct reaction p, int nodes, double tolerance)
{
    struct reaction_grid grid = {.n_nodes = nodes, .tolerance = tolerance, .end = 1.0};
    struct reaction_result r = {NAN, NAN, NAN};
    if (!reaction_run(&p, &grid, &r)) {
        failures++;
    }
    return r;
}

/*
 * u(0.5, 1) of u_t = D u_xx that starts from A exp(-(x / b)^2), b = 0.2. On the whole line this is
 * a Gaussian of width s^2 = b^2 + 4 D t. Ends without flux reflect it, which adds images at 2 n for
 * all n. They neglect the start beyond x = 1, where the bump is exp(-25) high.
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

    /*
     * u' = (k - m) u - k u^2 has the solution u0 q e^{bt} / (q + u0 (e^{bt} - 1)) with b = k - m
     * and q = b / k.
     */
    struct reaction_result still = simulate((struct reaction){1e-12, 6.0, 1.0, 0.5}, 41, 1e-8);
    double u0 = 0.5 * exp(-(0.5 / 0.2) * (0.5 / 0.2));
    double b = 5.0;
    double q = b / 6.0;
    double exact = u0 * q * exp(b) / (q + u0 * (exp(b) - 1.0));
    expect("logistic growth, relative error", fabs(still.middle / exact - 1.0), 0.0, 1e-6);

    struct reaction_result kept = simulate((struct reaction){0.02, 0.0, 0.0, 0.5}, 161, 1e-7);
    expect("mass without reaction, relative change", fabs(kept.mass / kept.mean_mass - 1.0), 0.0,
           1e-9);

    const struct reaction diffusion = {0.02, 0.0, 0.0, 0.5};
    double spread = spread_bump(0.02, 0.5);
    double far = fabs(simulate(diffusion, 41, 1e-9).middle - spread);
    double near = fabs(simulate(diffusion, 81, 1e-9).middle - spread);
    expect("diffusion alone, order against the exact solution", log2(far / near), 1.9, 2.1);
    expect("diffusion alone, relative error on the default grid",
           fabs(simulate(diffusion, 161, 1e-9).middle / spread - 1.0), 0.0, 1e-4);

    double coarse = simulate(p, 41, 1e-9).middle;
    double medium = simulate(p, 81, 1e-9).middle;
    double fine = simulate(p, 161, 1e-9).middle;
    expect("order in space", log2((coarse - medium) / (medium - fine)), 1.8, 2.2);

    double reference = simulate(p, 81, 1e-10).middle;
    double loose = fabs(simulate(p, 81, 1e-4).middle - reference);
    double tight = fabs(simulate(p, 81, 1e-6).middle - reference);
    /* Error per step ~ tolerance ~ h^2 at order 2: 100 times tighter is 100 times better. */
    expect("gain of a hundred times tighter tolerance", loose / tight, 40.0, 250.0);

    double used =
        simulate(p, reaction_default_grid().n_nodes, reaction_default_grid().tolerance).middle;
    expect("error of the default grid, relative", fabs(used / simulate(p, 641, 1e-8).middle - 1.0),
           0.0, 1e-3);
    printf("%d failed\n", failures);
    return failures == 0 ? 0 : 1;
}
