# SPDX-License-Identifier: Apache-2.0
"""How trainings over ranks scale: on the processors there are, and simulated beyond, from what one run says of itself.

usage: mpi_scaling.py SURROGATED_TRAIN MPI_COSTS   (tests/mpi.sh builds the latter from mpi_costs.c)

A run over two ranks says in --result (server/README.md) the processor time of what all ranks do alike (together), of the
tasks of rank 0 (apart) and of going through the tasks of the others (replay), and the bytes of all states. Over N ranks

    T(N) = together + ceil(tasks / N) task + (tasks - ceil(tasks / N)) replay + gather(N, bytes)
    gather(N, bytes) = ceil(log2 N) (N latency + bytes / bandwidth)         N broadcasts, each by a binomial tree

and in shards, with P the bytes of a gradient and S shards,

    T(N) = rest + ceil(S / N) shard + steps (2 (N - 1) latency + P (ceil(S / N) + 1) / bandwidth)

Latency and bandwidth are measured between two ranks over TCP on this machine. They leave out what a real network adds:
with COSTS=latency_us,gigabytes_per_s in the environment those of another network are taken.
"""
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

TRAIN, COSTS = sys.argv[1:3]
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1', OMPI_MCA_btl='tcp,self')
RANKS = (1, 2, 4, 16, 64, 256)
LONGER = 100  # these trainings take seconds; those that need a cluster take hours
FITS = {'architecture': {'width': 32, 'layers': 4}, 'seed': 1}
# name, rows, tasks, request
SPREAD = (
    ('ensemble, 64 members', 400, 64, dict(FITS, solver='ensemble', settings={'members': 64, 'epochs': 60})),
    ('rms, 64 members', 400, 64, dict(FITS, solver='rms', settings={'members': 64, 'epochs': 60})),
    ('swag, 32 members', 400, 32, dict(FITS, solver='swag', settings={'members': 32, 'epochs': 40, 'swag_epochs': 20})),
    ('mc_dropout, 32 members', 400, 32,
     dict(FITS, solver='mc_dropout', settings={'members': 32, 'epochs': 60, 'draws': 10})),
    ('vi, 32 members', 400, 32, dict(FITS, solver='vi', settings={'members': 32, 'epochs': 60, 'draws': 10})),
    ('duq, 16 members', 300, 16, dict(FITS, solver='duq', settings={'members': 16, 'epochs': 60, 'draws': 10})),
    ('laplace, 16 members', 300, 16, dict(seed=1, architecture={'width': 14, 'layers': 2}, solver='laplace',
                                          settings={'members': 16, 'epochs': 40, 'draws': 10})),
    ('bll, 32 members', 400, 32, dict(FITS, solver='bll', settings={'members': 32, 'epochs': 60, 'draws': 10})),
    ('pbp, 32 members', 300, 32, dict(seed=1, architecture={'width': 32}, solver='pbp',
                                      settings={'members': 32, 'epochs': 20, 'draws': 10})),
    ('evidence, 32 starts', 200, 32, dict(seed=1, solver='evidence',
                                          settings={'members': 32, 'epochs': 40, 'keep': 8, 'draws': 10})),
    ('nuts, 16 chains', 100, 16, dict(seed=1, architecture={'width': 8, 'layers': 1}, solver='nuts',
                                      settings={'chains': 16, 'warmup': 60, 'draws': 40, 'epochs': 40})),
    ('amcmc, 16 chains', 100, 16, dict(seed=1, architecture={'width': 4, 'layers': 1}, solver='amcmc',
                                       settings={'chains': 16, 'warmup': 2000, 'draws': 100, 'thin': 40, 'epochs': 40})),
    ('cv+, 64 folds of 1 member', 400, 64, dict(FITS, solver='ensemble', settings={'members': 1, 'epochs': 60},
                                                calibration={'method': 'cv+', 'folds': 64})),
)
CHOICE = ('auto', 120, {'solver': 'auto', 'seed': 1})
SHARDS = ('one network, 64 shards', 4096,
          {'solver': 'ensemble', 'seed': 1, 'architecture': {'width': 192, 'layers': 4},
           'settings': {'members': 1, 'epochs': 2, 'batch_size': 2048, 'shards': 64}})


class Bench:
    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_rows(self, n):
        draw = random.Random(1)
        head = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 5), }" % n
        head += ' ' * (-(11 + len(head)) % 64) + '\n'
        with open(self.path('rows.npy'), 'wb') as file:
            file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode())
            for _ in range(n):
                x = [draw.random() for _ in range(4)]
                y = math.sin(3 * x[0]) * x[1] + x[2] ** 2 + 0.3 * x[3] + 0.02 * draw.gauss(0, 1)
                file.write(struct.pack('<5d', *x, y))

    def train(self, ranks, request):
        """(seconds by the wall, what the run says, its bytes); ranks 0: without mpirun"""
        with open(self.path('request.json'), 'w', encoding='utf-8') as file:
            json.dump(request, file)
        start = ['mpirun', '-n', str(ranks), '--oversubscribe'] if ranks else []
        begun = time.time()
        subprocess.run(start + [TRAIN, '--request', self.path('request.json'), '--rows', self.path('rows.npy'), '--out',
                                self.path('version'), '--threads', '1', '--result', self.path('result'), '--progress',
                                '/dev/null'], env=ENV, check=True)
        seconds = time.time() - begun
        with open(self.path('version'), 'rb') as file:
            content = file.read()
        with open(self.path('result'), encoding='utf-8') as file:
            return seconds, json.load(file), content

    def twice(self, rows, request):
        """Alone and over two ranks: both times, and the costs."""
        self.write_rows(rows)
        alone, _, one = self.train(0, request)
        both, told, two = self.train(2, request)
        assert one == two, 'two ranks gave another version'
        return alone, both, told['costs']


def measure_costs():
    """Latency in seconds and bytes a second, by a line through the least times of two sizes."""
    if 'COSTS' in os.environ:
        latency, bandwidth = os.environ['COSTS'].split(',')
        return 1e-6 * float(latency), 1e9 * float(bandwidth)
    done = subprocess.run(['mpirun', '-n', '2', '--oversubscribe', COSTS], env=ENV, check=True, capture_output=True,
                          text=True)
    times = {int(line.split()[2]): float(line.split()[3]) for line in done.stdout.splitlines() if line[:4] == 'swap'}
    small, large = min(times), max(times)
    return times[small], (large - small) / 2 / max(times[large] - times[small], 1e-9)


def gather(n, n_bytes, latency, bandwidth):
    return math.ceil(math.log2(n)) * (n * latency + n_bytes / bandwidth) if n > 1 else 0.0


def simulate_tasks(tasks, costs, latency, bandwidth, longer=1):
    """longer: tasks take so many times as long, and leave as much."""
    own = -(-tasks // 2)
    task = longer * costs['apart_s'] / own
    replay = costs['replay_s'] / (tasks - own)
    times = []
    for n in RANKS:
        most = -(-tasks // n)
        others = (tasks - most) * replay if n > 1 else 0.0
        times.append(costs['together_s'] + most * task + others + gather(n, costs['exchanged_bytes'], latency, bandwidth))
    return task, times


def simulate_shards(request, rows, costs, latency, bandwidth):
    """All is together_s, nearly all of it half of the shards."""
    settings = request['settings']
    shards = settings['shards']
    share = 0.98  # of the time, in shards: steps of the optimiser and the order of rows are the rest
    steps = settings['epochs'] * -(-int(0.9 * rows) // settings['batch_size'])
    gradient = costs['swapped_bytes'] / steps / (shards / 2 / 2 + 0.5)  # of two ranks: half of own parts, half of the sum
    shard = share * costs['together_s'] / (shards / 2)
    times = []
    for n in RANKS:
        most = -(-shards // n)
        swaps = steps * (2 * (n - 1) * latency + gradient * (most + 1) / bandwidth) if n > 1 else 0.0
        times.append((1 - share) * costs['together_s'] + most * shard + swaps)
    return shard, gradient, times


def main():
    latency, bandwidth = measure_costs()
    print(f'latency {1e6 * latency:.1f} us, bandwidth {1e-9 * bandwidth:.2f} GB/s\n')
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        print('| training | alone, s | 2 ranks, s | task, ms | not spread | bytes of a task | '
              + ' | '.join(f'{n} ranks' for n in RANKS[2:]) + f' | {LONGER} times as long: '
              + ' | '.join(f'{n}' for n in RANKS[3:]) + ' |')
        print('|---|---|---|---|---|---|' + '---|' * (2 * len(RANKS[2:]) - 1))
        for name, rows, tasks, request in SPREAD:
            alone, both, costs = bench.twice(rows, request)
            task, times = simulate_tasks(tasks, costs, latency, bandwidth)
            _, longer = simulate_tasks(tasks, costs, latency, bandwidth, LONGER)
            again = (costs['together_s'] + costs['replay_s']) / times[0]
            print(f"| {name} | {alone:.2f} | {both:.2f} | {1000 * task:.1f} | {100 * again:.1f} % | "
                  f"{costs['exchanged_bytes'] / tasks:.0f} | "
                  + ' | '.join([f'{times[0] / t:.1f}' for t in times[2:]] + [f'{longer[0] / t:.1f}' for t in longer[3:]]) + ' |',
                  flush=True)
        name, rows, request = SHARDS
        alone, both, costs = bench.twice(rows, request)
        shard, gradient, times = simulate_shards(request, rows, costs, latency, bandwidth)
        print(f"| {name} | {alone:.2f} | {both:.2f} | {1000 * shard:.1f} | | {gradient:.0f} | "
              + ' | '.join(f'{times[0] / t:.1f}' for t in times[2:]) + ' |', flush=True)
        name, rows, request = CHOICE
        alone, both, costs = bench.twice(rows, request)
        again = (costs['together_s'] + costs['replay_s']) / (costs['together_s'] + costs['replay_s'] + costs['apart_s'])
        print(f"\n{name}: {alone:.2f} s alone, {both:.2f} s over 2 ranks; of rank 0's time {100 * again:.1f} % is not spread, "
              f"{costs['exchanges']} exchanges of {costs['exchanged_bytes']} bytes")


if __name__ == '__main__':
    main()
