#!/bin/sh
# The whole road in curl and plain shell: simulate, upload, train, predict, compare.
#
#   SURROGATED_URL   the server                      [http://127.0.0.1:8080]
#   FARM             the simulator (see simulation-farm)   [build/client-examples/simulation-farm/farm]
#
# Ends with status 0 when all outputs of at least 90 % of the fresh points lie within three standard deviations
# of the prediction and every output's error is below 2 % of its range. The variance meant is
# total_variance: the spread of the ensemble and the residual noise it was fitted with.
set -eu

url=${SURROGATED_URL:-http://127.0.0.1:8080}
here=$(cd "$(dirname "$0")" && pwd)
farm=${FARM:-$here/../build/client-examples/simulation-farm/farm}
model=${MODEL:-reaction}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# The value of a number or text field of a JSON answer that stands on one line.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }

# The rows of a matrix field, one line each.
rows() { sed -e "s/.*\"$1\":\[\[//" -e 's/\]\].*//' -e 's/\],\[/;/g' | tr ';' '\n'; }

# curl that fails with the server's words.
call() {
    code=$(curl -sS -o "$work/answer" -w '%{http_code}' "$@") || exit 1
    case $code in
    2??) cat "$work/answer" ;;
    *) echo "the server answered $code: $(cat "$work/answer")" >&2; exit 1 ;;
    esac
}

[ -x "$farm" ] || { echo "no simulator at $farm: build the project first, or set FARM" >&2; exit 1; }

say "1. 800 simulations at the points of a Latin hypercube"
"$farm" --runs 800 --seed 1 --format json > "$work/training.json"
"$farm" --runs 2 --seed 1 --format csv

say "2. Upload the rows"
# The same as a table, its last three columns being outputs; a first line of names is a header:
#   farm --runs 800 --seed 1 --format csv > rows.csv
#   curl -H 'Content-Type: text/csv' --data-binary @rows.csv "$url/v1/models/$model/data?outputs=3"
# Rows uploaded twice would stand among those kept out for validation, so a second run adds none.
present=$(curl -sS "$url/v1/models/$model/data" | field rows)
if [ "${present:-0}" -gt 0 ]; then
    echo "model $model has $present rows from an earlier run"
else
    echo "curl --data-binary @training.json $url/v1/models/$model/data"
    call --data-binary @"$work/training.json" "$url/v1/models/$model/data"
    echo
fi

say "3. Train an ensemble in the background"
echo "curl -d '{\"solver\":\"ensemble\",\"seed\":1}' $url/v1/models/$model/train"
job=$(call -d '{"solver":"ensemble","seed":1}' "$url/v1/models/$model/train")
echo "$job"
id=$(echo "$job" | field id)
while :; do
    job=$(call "$url/v1/jobs/$id")
    state=$(echo "$job" | field state)
    case $state in
    queued) ;;
    running)
        fraction=$(echo "$job" | field fraction)
        echo "job $id: $(echo "${fraction:-0}" | awk '{printf "%3.0f", 100 * $1}') %," \
            "loss $(echo "$job" | field loss), $(echo "$job" | field eta_s) s to go"
        ;;
    succeeded) break ;;
    *) echo "job $id $state: $job" >&2; exit 1 ;;
    esac
    sleep 1
done
echo "job $id has published version $(echo "$job" | field version)"

say "4. Predict one point, with its uncertainty"
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
