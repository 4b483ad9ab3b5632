#!/usr/bin/env Rscript
# SPDX-License-Identifier: Apache-2.0
# The server from R (packages curl and jsonlite; Debian: r-cran-curl, r-cran-jsonlite).
#
# usage: Rscript plain.R MODEL predict X1,X2,.. ..
#        Rscript plain.R MODEL append FILE.csv KEY
#
# predict prints mean and standard deviation of each output, a line for each point. append uploads a table whose first
# line has the names of the columns, once, however often it is run with the same KEY. OUTPUTS=N says how many of the last
# columns are outputs; the first rows of a model need it. Exit status: 0 done, 1 refused, 2 wrong usage, 3 no server.

end <- function(status, text) {
  message("plain.R: ", text)
  quit(status = status)
}

for (package in c("curl", "jsonlite")) {
  if (!requireNamespace(package, quietly = TRUE)) end(2, paste(package, "is missing: install.packages it"))
}

server <- Sys.getenv("SURROGATED_SERVER", "http://127.0.0.1:8080")
token <- Sys.getenv("SURROGATED_TOKEN")
retry_s <- as.numeric(Sys.getenv("SURROGATED_RETRY_S", "60"))

# The answer as a list. The same request, key included, is sent again while the server is busy or away.
post <- function(path, body, ...) {
  headers <- list(...)
  if (nzchar(token)) headers$Authorization <- paste("Bearer", token)
  deadline <- Sys.time() + retry_s
  pause <- 0.2
  repeat {
    handle <- curl::new_handle(post = TRUE, postfieldsize = length(body), postfields = body, timeout = 60)
    curl::handle_setheaders(handle, .list = headers)
    answer <- tryCatch(curl::curl_fetch_memory(paste0(server, path), handle), error = conditionMessage)
    if (is.character(answer)) {
      status <- 3
      reason <- paste0("no server at ", server, ": ", answer)
    } else {
      json <- tryCatch(jsonlite::fromJSON(rawToChar(answer$content)), error = function(e) list(detail = "no JSON came"))
      if (answer$status_code < 300) return(json)
      if (!answer$status_code %in% c(429, 503)) end(1, json$detail)
      status <- 1
      reason <- paste0("the server is busy (", answer$status_code, ")")
      told <- curl::parse_headers_list(answer$headers)[["retry-after"]]
      if (!is.null(told)) pause <- as.numeric(told)
    }
    if (Sys.time() + pause > deadline) end(status, reason)
    Sys.sleep(pause)
    pause <- min(2 * pause, 10)
  }
}

predict_points <- function(model, points) {
  # digits = NA: all of them; jsonlite would round to four.
  body <- jsonlite::toJSON(list(inputs = points, return = c("mean", "std")), digits = NA)
  answer <- post(paste0("/v1/models/", model, "/predict"), charToRaw(body), "Content-Type" = "application/json")
  for (i in seq_len(nrow(answer$mean))) {
    cat(sprintf("%.4g +- %.2g", answer$mean[i, ], answer$std[i, ]), sep = "   ")
    cat("\n")
  }
}

append_rows <- function(model, file, key) {
  if (!file.exists(file)) end(2, paste0(file, ": no such file"))
  outputs <- Sys.getenv("OUTPUTS")
  query <- if (nzchar(outputs)) paste0("?outputs=", outputs) else ""
  answer <- post(paste0("/v1/models/", model, "/data", query), readBin(file, "raw", file.size(file)),
                 "Content-Type" = "text/csv", "Idempotency-Key" = key)
  cat(sprintf("%d rows, %d in all\n", answer$rows, answer$total_rows))
}

args <- commandArgs(trailingOnly = TRUE)
if (length(args) >= 3 && args[2] == "predict") {
  points <- suppressWarnings(t(sapply(strsplit(args[-(1:2)], ","), as.numeric)))
  if (anyNA(points)) end(2, "a point is numbers with commas")
  predict_points(args[1], matrix(points, nrow = length(args) - 2))
} else if (length(args) == 4 && args[2] == "append") {
  append_rows(args[1], args[3], args[4])
} else {
  end(2, "usage: plain.R MODEL predict X1,X2,.. .. | MODEL append FILE.csv KEY")
}
