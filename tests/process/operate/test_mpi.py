# SPDX-License-Identifier: Apache-2.0
"""surrogated-train gives the same version alone and over 2 and 4 ranks, and after a lost rank."""
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

TRAIN = os.environ.get('SURROGATED_TRAIN', '')
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


@unittest.skipUnless(TRAIN and shutil.which('mpirun'), 'there is no surrogated-train or no mpirun')
class Mpi(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
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

    def test_every_solver_gives_the_same_bytes(self):
        for solver in REQUESTS:
            alone = self.train(0, self.request(solver))
            for ranks in (2, 4) if solver == 'ensemble' else (3,):
                with self.subTest(solver=solver, ranks=ranks):
                    self.assertTrue(self.train(ranks, self.request(solver)) == alone)

    def test_a_lost_rank_is_made_good_by_another_run(self):
        request = self.request('ensemble')
        request['settings'] = {'members': 4, 'epochs': 400}
        alone = self.train(0, request)
        os.remove(self.path('version'))
        more = ('--checkpoints', self.path('states'), '--checkpoint-s', '1')
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

    def test_a_failure_is_told(self):
        with open(self.path('rows.npy'), 'wb') as file:
            file.write(b'no array')
        done = subprocess.run(self.command(2, self.request('ensemble')), env=ENV, capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists(self.path('version')))
        with open(self.path('result'), encoding='utf-8') as file:
            self.assertFalse(json.load(file)['ok'])


if __name__ == '__main__':
    sys.exit(unittest.main(verbosity=2))
