#!/usr/bin/env -S octave-cli --no-history
% SPDX-License-Identifier: Apache-2.0
% The server from Octave 7, through the program curl, which sends a request again while the server is busy or away.
%
% usage: octave-cli --no-history plain.m MODEL predict X1,X2,.. ..
%        octave-cli --no-history plain.m MODEL append FILE.csv KEY
%
% predict prints mean and standard deviation of each output, a line for each point. append uploads a table whose first
% line has the names of the columns, once, however often it is run with the same KEY. OUTPUTS=N says how many of the last
% columns are outputs; the first rows of a model need it. Exit status: 0 done, 1 refused, 2 wrong usage, 3 no server.
1;

function finish(status, text)
  fprintf(stderr, "plain.m: %s\n", text);
  exit(status);
end

function value = setting(name, default)
  value = getenv(name);
  if isempty(value)
    value = default;
  end
end

function text = quoted(text)
  text = ["'" strrep(text, "'", "'\\''") "'"];
end

% The answer as a struct. The token goes through a file, since others can see the arguments of a program.
function answer = post(path, file, headers)
  server = setting("SURROGATED_SERVER", "http://127.0.0.1:8080");
  token = getenv("SURROGATED_TOKEN");
  out = tempname();
  config = tempname();
  id = fopen(config, "w");
  if ! isempty(token)
    fprintf(id, "header = \"Authorization: Bearer %s\"\n", token);
  end
  fprintf(id, "header = \"%s\"\n", headers{:});
  fclose(id);
  % 429 and 503 are sent again after Retry-After, or 1, 2, 4 .. seconds.
  [failed, status] = system(["curl -sS -K " config " --retry 30 --retry-connrefused --retry-max-time " ...
                             setting("SURROGATED_RETRY_S", "60") " --max-time 60 --data-binary @" quoted(file) ...
                             " -o " out " -w '%{http_code}' " quoted([server path]) " 2>/dev/null"]);
  text = "";
  if exist(out, "file")
    text = fileread(out);
    delete(out);
  end
  delete(config);
  if failed
    finish(3, sprintf("no server at %s (curl ends with %d)", server, failed));
  end
  try
    answer = jsondecode(text);
  catch
    finish(1, ["the server answers with status " status]);
  end
  if str2double(status) >= 300
    finish(1, answer.detail);
  end
end

function rows = as_rows(values, n)
  rows = reshape(values, n, []); % jsondecode makes a column of one row
end

function predict_points(model, points)
  body = tempname();
  id = fopen(body, "w");
  texts = arrayfun(@(i) ["[" strjoin(arrayfun(@(v) sprintf("%.17g", v), points(i, :), "UniformOutput", false), ",") "]"], ...
                  1:rows(points), "UniformOutput", false);
  fprintf(id, "{\"inputs\":[%s],\"return\":[\"mean\",\"std\"]}", strjoin(texts, ","));
  fclose(id);
  answer = post(["/v1/models/" model "/predict"], body, {"Content-Type: application/json"});
  delete(body);
  mean = as_rows(answer.mean, numel(texts));
  std = as_rows(answer.std, numel(texts));
  for i = 1:numel(texts)
    printf("%s\n", strjoin(arrayfun(@(m, s) sprintf("%.4g +- %.2g", m, s), mean(i, :), std(i, :), ...
                                    "UniformOutput", false), "   "));
  end
end

function append_rows(model, file, key)
  if ! exist(file, "file")
    finish(2, [file ": no such file"]);
  end
  query = getenv("OUTPUTS");
  if ! isempty(query)
    query = ["?outputs=" query];
  end
  answer = post(["/v1/models/" model "/data" query], file, {"Content-Type: text/csv", ["Idempotency-Key: " key]});
  printf("%d rows, %d in all\n", answer.rows, answer.total_rows);
end

args = argv();
if numel(args) >= 3 && strcmp(args{2}, "predict")
  points = cellfun(@(text) str2double(strsplit(text, ",")), args(3:end), "UniformOutput", false);
  points = vertcat(points{:});
  if any(isnan(points(:)))
    finish(2, "a point is numbers with commas");
  end
  predict_points(args{1}, points);
elseif numel(args) == 4 && strcmp(args{2}, "append")
  append_rows(args{1}, args{3}, args{4});
else
  finish(2, "usage: plain.m MODEL predict X1,X2,.. .. | MODEL append FILE.csv KEY");
end
