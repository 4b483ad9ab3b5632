#!/bin/sh
# From simulations to predictions in curl and plain shell: simulate, upload, train, predict, compare.
#
#   SURROGATED_URL   the server                [http://127.0.0.1:8080]
#   FARM             the simulator             [build/client-examples/simulation-farm/farm]
#   MODEL            the name of the model     [reaction]
#   NEXT=no          does not print what to try next
#
# The status is 0 if the surrogate is good: at 90 % or more of the fresh points, all outputs lie within
# three standard deviations of the prediction, and the error of each output is below 2 % of its range.
# The standard deviation is the root of total_variance, which adds the noise that the fit left over to
# the variance of what the model does not know.
set -eu

url=${SURROGATED_URL:-http://127.0.0.1:8080}
here=$(cd "$(dirname "$0")" && pwd)
farm=${FARM:-$here/../build/client-examples/simulation-farm/farm}
model=${MODEL:-reaction}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bold= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# The value of a number or text field of a JSON answer, which is one line.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }

# The rows of a matrix field, a line each.
rows() { sed -e "s/.*\"$1\":\[\[//" -e 's/\]\].*//' -e 's/\],\[/;/g' | tr ';' '\n'; }

# curl, which fails with what the server says.
call() {
    code=$(curl -sS -o "$work/answer" -w '%{http_code}' "$@") || exit 1
    case $code in
    2??) cat "$work/answer" ;;
    *) echo "the server answered $code: $(cat "$work/answer")" >&2; exit 1 ;;
    esac
}

[ -x "$farm" ] || { echo "there is no simulator at $farm; build the project first, or set FARM" >&2; exit 1; }

say "1. Run 100 simulations"
echo "Each has four uncertain inputs, from a Latin hypercube, and three outputs; for example:"
"$farm" --runs 100 --seed 1 --format json > "$work/training.json"
"$farm" --runs 1 --seed 1 --format csv

say "2. Upload their rows to the server"
# The same as a table, whose last three columns are outputs and whose first line is a header:
#   farm --runs 100 --seed 1 --format csv > rows.csv
#   curl -H 'Content-Type: text/csv' --data-binary @rows.csv "$url/v1/models/$model/data?outputs=3"
# A second run adds no rows: copies of training rows among the validation rows would spoil the scores.
present=$(curl -sS "$url/v1/models/$model/data" | field rows)
if [ "${present:-0}" -gt 0 ]; then
    echo "The model $model has $present rows already, from an earlier run."
else
    echo "curl --data-binary @training.json $url/v1/models/$model/data"
    call --data-binary @"$work/training.json" "$url/v1/models/$model/data"
    echo
fi

say "3. Train in the background: the server compares solvers and networks, and takes the best"
echo "curl -d '{\"seed\":1}' $url/v1/models/$model/train"
job=$(call -d '{"seed":1}' "$url/v1/models/$model/train")
echo "$job" | sed 's/\("state":"[a-z]*"\),.*/\1, ...}/'
id=$(echo "$job" | field id)
while :; do
    job=$(call "$url/v1/jobs/$id")
    state=$(echo "$job" | field state)
    case $state in
    queued) ;;
    running)
        fraction=$(echo "$job" | field fraction) loss=$(echo "$job" | field loss) left=$(echo "$job" | field eta_s)
        echo "${fraction:-0} ${loss:-0} ${left:-null}" | awk -v id="$id" '{
            printf "job %s: %3.0f %%, loss %.2g", id, 100 * $1, $2
            if ($3 != "null") printf ", %s s left", $3
            print "" }'
        ;;
    succeeded) break ;;
    *) echo "job $id is $state: $job" >&2; exit 1 ;;
    esac
    sleep 1
done
echo "job $id succeeded: it made version $(echo "$job" | field version)"

say "4. Predict the outputs at one point, with their uncertainty"
point=$("$farm" --runs 1 --seed 7 --format inputs)
body="{\"model\":\"$model\",\"inputs\":$point,\"return\":[\"mean\",\"std\",\"total_variance\"]}"
echo "curl -d '$body' $url/predict"
call -d "$body" "$url/predict"
echo

say "5. Compare with the simulator at 200 fresh points"
"$farm" --runs 200 --seed 2 --format inputs > "$work/inputs"
"$farm" --runs 200 --seed 2 --format outputs > "$work/truth"
printf '{"model":"%s","inputs":%s,"return":["mean","total_variance"]}' \
    "$model" "$(cat "$work/inputs")" > "$work/body.json"
call --data-binary @"$work/body.json" "$url/predict" > "$work/prediction"
rows mean < "$work/prediction" > "$work/mean"
rows total_variance < "$work/prediction" > "$work/variance"
paste -d, "$work/truth" "$work/mean" "$work/variance" | awk -F, '
    { o = NF / 3
      inside = 1
      for (j = 1; j <= o; j++) {
          residual = $(o + j) - $j
          square[j] += residual * residual
          if (residual * residual <= 9 * $(2 * o + j)) within++
          else inside = 0
          n++
          if (NR == 1 || $j < low[j]) low[j] = $j
          if (NR == 1 || $j > high[j]) high[j] = $j }
      points += inside }
    END {
      for (j = 1; j <= o; j++) {
          error = 100 * sqrt(square[j] / NR) / (high[j] - low[j])
          printf "output %d: test RMSE %.3f %% of its range\n", j, error
          if (error >= 2) bad = 1 }
      printf "within three standard deviations: %.1f %% of %d values, ", 100 * within / n, n
      printf "all outputs at %.1f %% of %d points\n", 100 * points / NR, NR
      if (within < 0.9 * n || points < 0.9 * NR || o != 3) bad = 1
      exit bad }' || { echo "the surrogate is not as good as it should be" >&2; exit 1; }

[ "${NEXT:-yes}" != no ] || exit 0
say "What to try next"
try() { printf '%-72s # %s\n' "$1" "$2"; }
try "curl $url/v1/models/$model" "the model and its versions"
try "curl $url/v1/models/$model/diagnostics" "how the training went"
echo "curl -d '{\"inputs\":[0.01,6,1,0.5],\"return\":[\"mean\",\"std\",\"quantiles\"]}' $url/v1/models/$model/predict"
try "curl -X POST $url/v1/models/$model/train" "trains again in the same way"
try "curl $url/v1/jobs" "the training jobs"
try "curl $url/metrics" "numbers for Prometheus"
