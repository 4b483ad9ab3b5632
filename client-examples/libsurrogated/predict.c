/* SPDX-License-Identifier: Apache-2.0 */
/* predict MODEL X1 X2 .. prints mean and standard deviation of each output at a point. The model is
 * on the server that SURROGATED_SERVER names, or in a file: SURROGATED_SERVER=file:flow.srgm */
#include <stdio.h>
#include <stdlib.h>
#include <surrogated.h>

int main(int argc, char **argv)
{
    double x[64], mean[64], std[64];
    struct surr *model = NULL;
    struct surr_rows point = {.values = x, .n_rows = 1, .n_columns = argc - 2};
    struct surr_prediction answer = {.mean = mean, .std = std};
    if (argc < 3 || argc > 66) {
        fprintf(stderr, "usage: predict MODEL X1 X2 ..\n");
        return 2;
    }
    for (int j = 0; j < argc - 2; j++) {
        x[j] = atof(argv[j + 2]);
    }
    int code = surr_open(&model, NULL, argv[1]);
    code = code == SURR_OK ? surr_shape(model, NULL, &answer.n_outputs) : code;
    code = code == SURR_OK && answer.n_outputs > 64 ? SURR_INVALID : code;
    code = code == SURR_OK ? surr_predict(model, &point, &answer) : code;
    for (int k = 0; code == SURR_OK && k < answer.n_outputs; k++) {
        printf("%.17g +- %.17g\n", mean[k], std[k]);
    }
    if (code != SURR_OK) {
        fprintf(stderr, "predict: %s\n", surr_error(model));
    }
    surr_close(model);
    return code;
}
