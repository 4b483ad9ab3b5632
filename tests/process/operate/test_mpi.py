# SPDX-License-Identifier: Apache-2.0
"""surrogated-train gives the same version alone and over 2 and 4 ranks, after a lost rank, and from rows of a server."""
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'access'))
from token_harness import TokenTest  # noqa: E402

TRAIN = os.environ.pop('SURROGATED_TRAIN', '')  # no setting of the server
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1',
           OMPI_MCA_btl_vader_single_copy_mechanism='none')
FITS = {'members': 5, 'epochs': 20}
CHAINS = {'chains': 3, 'draws': 8, 'warmup': 12}
REQUESTS = {
    'ensemble': FITS, 'rms': FITS, 'swag': dict(FITS, swag_epochs=20, swag_every=5), 'mc_dropout': FITS, 'vi': FITS,
    'duq': FITS, 'laplace': dict(FITS, draws=4), 'pbp': dict(FITS, draws=4), 'bll': dict(FITS, draws=4),
    'amcmc': CHAINS, 'mala': CHAINS, 'hmc': CHAINS, 'nuts': CHAINS,
    'evidence': {'members': 5, 'epochs': 40},
}
# What is shared in other ways than by members and chains: fits of a choice, folds, shards, networks by their evidence.
SHARED = {
    'auto': {'solver': 'auto', 'seed': 3, 'architecture': {'width': 3, 'layers': 1, 'basis': 'constant'},
             'budget_fits': 11},
    'folds': {'solver': 'ensemble', 'seed': 3, 'settings': {'members': 2, 'epochs': 20},
              'calibration': {'method': 'cv+', 'folds': 5}},
    'shards': {'solver': 'ensemble', 'seed': 3, 'settings': {'members': 2, 'epochs': 20, 'batch_size': 16, 'shards': 4}},
    'evidence': {'solver': 'laplace', 'seed': 3, 'architecture': {'width': 4, 'layers': 1},
                 'settings': {'hyperparameters': 'evidence', 'epochs': 30}},
}


def write_npy(path, rows):
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    head += ' ' * (-(11 + len(head)) % 64) + '\n'
    with open(path, 'wb') as file:
        file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode())
        for row in rows:
            file.write(struct.pack('<%dd' % len(row), *row))


def ranks_of(pid):
    """The programs that mpirun has started."""
    found = []
    for name in os.listdir('/proc'):
        try:
            with open('/proc/%s/stat' % name, encoding='utf-8') as file:
                if int(file.read().rsplit(')', 1)[1].split()[1]) == pid:
                    found.append(int(name))
        except (OSError, ValueError, IndexError):
            pass
    return found


class Trainings:
    """What starts them, of tests with a folder."""

    folder = None

    def write_rows(self):
        draw = random.Random(1)
        rows = []
        for _ in range(40):
            a, b = draw.random(), draw.random()
            rows.append([a, b, a * a + b + 0.05 * draw.gauss(0, 1)])
        write_npy(self.path('rows.npy'), rows)

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self, ranks, request, *more):
        with open(self.path('request.json'), 'w', encoding='utf-8') as file:
            json.dump(request, file)
        start = ['mpirun', '-n', str(ranks), '--oversubscribe'] if ranks else []
        return start + [TRAIN, '--request', self.path('request.json'), '--rows', self.path('rows.npy'),
                        '--out', self.path('version'), '--threads', '1', '--result', self.path('result'),
                        '--progress', self.path('progress'), *more]

    def train(self, ranks, request, *more):
        done = subprocess.run(self.command(ranks, request, *more), env=ENV, capture_output=True, text=True,
                              timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path('result'), encoding='utf-8') as file:
            self.assertTrue(json.load(file)['ok'])
        with open(self.path('version'), 'rb') as file:
            return file.read()

    def request(self, solver):
        request = {'solver': solver, 'seed': 3, 'settings': REQUESTS[solver]}
        if solver in ('ensemble', 'rms', 'swag', 'laplace', 'vi', 'amcmc', 'mala', 'hmc', 'nuts', 'evidence'):
            request['architecture'] = {'width': 4, 'layers': 1}
        elif solver != 'duq':
            request['architecture'] = {'width': 8}
        return request


@unittest.skipUnless(TRAIN and shutil.which('mpirun'), 'there is no surrogated-train or no mpirun')
class Mpi(Trainings, unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.write_rows()

    def test_every_solver_gives_the_same_bytes(self):
        for solver in REQUESTS:
            alone = self.train(0, self.request(solver))
            for ranks in (2, 4) if solver == 'ensemble' else (3,):
                with self.subTest(solver=solver, ranks=ranks):
                    self.assertTrue(self.train(ranks, self.request(solver)) == alone)

    def test_all_that_is_shared_gives_the_same_bytes(self):
        for name, request in SHARED.items():
            alone = self.train(0, request)
            for ranks in (2, 4) if name in ('auto', 'shards') else (3,):
                with self.subTest(what=name, ranks=ranks):
                    self.assertTrue(self.train(ranks, request) == alone)

    def test_a_lost_rank_is_made_good_by_another_run(self):
        request = self.request('ensemble')
        request['settings'] = {'members': 4, 'epochs': 400}
        self.lose_a_rank(request)

    def test_a_choice_goes_on_after_a_lost_rank(self):
        self.lose_a_rank(SHARED['auto'])

    def test_a_fit_in_shards_goes_on_after_a_lost_rank(self):
        request = dict(SHARED['shards'], settings=dict(SHARED['shards']['settings'], epochs=400))
        self.lose_a_rank(request)

    def lose_a_rank(self, request):
        alone = self.train(0, request)
        os.remove(self.path('version'))
        more = ('--checkpoints', self.path('states'), '--checkpoint-s', '0')
        with subprocess.Popen(self.command(2, request, *more), env=ENV, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as running:
            # It may also end before it is hit; then the second run finds all tasks done.
            while running.poll() is None:
                if os.path.isdir(self.path('states')) and os.listdir(self.path('states')):
                    ranks = ranks_of(running.pid)
                    if ranks:
                        os.kill(ranks[-1], signal.SIGKILL)
                        break
                time.sleep(0.01)
            running.wait(timeout=120)
        self.assertTrue(os.listdir(self.path('states')))
        self.assertTrue(self.train(2, request, *more) == alone)

    def fail(self, ranks, request, *more, **environment):
        """What a training that must fail says: of --result."""
        done = subprocess.run(self.command(ranks, request, *more), env=dict(ENV, **environment), capture_output=True,
                              text=True, timeout=120, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists(self.path('version')))
        with open(self.path('result'), encoding='utf-8') as file:
            told = json.load(file)
        self.assertFalse(told['ok'])
        return told

    def test_limits_of_the_request_hold(self):
        request = dict(self.request('ensemble'), limits={'seconds': 1, 'memory_mb': 0})
        request['settings'] = {'members': 1, 'epochs': 1000000}
        for ranks in (0, 2):
            told = self.fail(ranks, request)
            self.assertEqual((told['code'], told['message']), ('limit', 'stopped at its limit of 1 s'))
        write_npy(self.path('rows.npy'), [[0.001 * i, 0.5, 0.1 * i] for i in range(100000)])
        request = dict(self.request('ensemble'), limits={'seconds': 0, 'memory_mb': 1})
        for ranks in (0, 2):
            told = self.fail(ranks, request)
            self.assertEqual(told['code'], 'limit')
            self.assertIn('more memory than its limit of 1 MB', told['message'])

    def test_a_failure_is_told(self):
        with open(self.path('rows.npy'), 'wb') as file:
            file.write(b'no array')
        done = subprocess.run(self.command(2, self.request('ensemble')), env=ENV, capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists(self.path('version')))
        with open(self.path('result'), encoding='utf-8') as file:
            self.assertFalse(json.load(file)['ok'])


@unittest.skipUnless(TRAIN and shutil.which('mpirun'), 'there is no surrogated-train or no mpirun')
class RowsOfAServer(Trainings, TokenTest):
    def setUp(self):
        TokenTest.setUp(self)
        self.write_rows()

    def train_from(self, ranks, token, address='/v1/models/m/data/rows?format=npy'):
        request = self.request('ensemble')
        command = self.command(ranks, request)
        command[command.index('--rows') + 1] = f'http://127.0.0.1:{self.server.port}{address}'
        environment = dict(ENV)
        if token is not None:
            environment['SURROGATED_TOKEN'] = token
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def test_rows_come_from_a_server(self):
        alone = self.train(0, self.request('ensemble'))
        os.remove(self.path('version'))
        with open(self.path('rows.npy'), 'rb') as file:
            self.assertEqual(self.ask(self.tokens['WRITE'], 'POST', '/v1/models/m/data?outputs=1', file.read(),
                                      **{'Content-Type': 'application/octet-stream'})[0], 201)
        for ranks in (0, 2):
            done = self.train_from(ranks, self.tokens['READ'])
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(self.path('version'), 'rb') as file:
                self.assertTrue(file.read() == alone)
            os.remove(self.path('version'))
        for token, address in ((None, '/v1/models/m/data/rows?format=npy'), (self.tokens['READ'], '/v1/models/none'),
                               (self.tokens['READ'], '?format=npy'), (self.tokens['READ'], '/v1/models/m/data/rows')):
            done = self.train_from(2 if token is None else 0, token, address)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn('rows: ', done.stderr)
            self.assertNotIn(self.tokens['READ'], done.stderr)
            self.assertFalse(os.path.exists(self.path('version')))


if __name__ == '__main__':
    sys.exit(unittest.main(verbosity=2))
