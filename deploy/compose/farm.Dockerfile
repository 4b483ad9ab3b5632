# syntax=docker/dockerfile:1
# The example of a simulation and the script that asks where to simulate. From the top of the repository:
# docker build -f deploy/compose/farm.Dockerfile -t surrogated-farm .
FROM debian:trixie-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY client-examples/simulation-farm /src
RUN gcc -O2 -std=c17 -D_GNU_SOURCE -o /src/farm /src/farm.c /src/reaction.c -lm -pthread

FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/farm /usr/bin/farm
COPY client-examples/loop.py client-examples/workflow.py /usr/lib/surrogated/
USER 10001
ENTRYPOINT ["python3", "/usr/lib/surrogated/loop.py", "--farm", "/usr/bin/farm"]
