# SPDX-License-Identifier: Apache-2.0
"""The examples of libsurrogated, the installed library as others compile against it, and what leaves it."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BINARY, HERE, PATIENCE, Server, architecture, document
from library_harness import clean_environment

FOLDER = os.environ["LIBRARY_FOLDER"]
EXAMPLES = os.path.join(HERE, "..", "..", "client-examples", "libsurrogated")
PROGRAMS = {name: os.environ.get("EXAMPLE_" + name.upper()) for name in ("predict", "heat", "heat_mpi")}
WORDS = os.environ.get("LIBRARY_WORDS")
MPIRUN = shutil.which("mpirun")
SANITIZED = os.environ["SANITIZER"] != "none"


def symbols(*words):
    out = subprocess.run(["nm", *words], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0]: line.split()[-2] for line in out.splitlines() if len(line.split()) > 1}


class Names(unittest.TestCase):
    def names(self):
        with open(os.path.join(HERE, "..", "..", "server", "library", "surrogated.h"), encoding="utf-8") as file:
            return set(re.findall(r"(?m)^(?:int|void|const char \*)\s*\*?(surr_\w+)\(", file.read()))

    def test_only_names_of_the_header_leave_the_library(self):
        names = self.names()
        self.assertGreater(len(names), 9)
        shared = symbols("-D", "--defined-only", os.path.join(FOLDER, "libsurrogated.so"))
        self.assertEqual({name for name, kind in shared.items() if kind == "T"}, names)
        archive = symbols("-g", "--defined-only", os.path.join(FOLDER, "libsurrogated.a"))
        self.assertEqual({name for name, kind in archive.items() if kind != "u"}, names)  # u: of templates

    @unittest.skipIf(SANITIZED, "a sanitizer brings names of its own")
    def test_the_library_starts_no_process_and_touches_no_signals(self):
        wanted = symbols("-D", "--undefined-only", os.path.join(FOLDER, "libsurrogated.so"))
        self.assertIn("curl_easy_perform", wanted)
        for name in ("fork", "vfork", "execve", "posix_spawn", "system", "popen", "signal", "sigaction", "exit", "_exit",
                     "abort", "setenv", "setlocale", "openblas_set_num_threads", "curl_global_cleanup", "sqlite3_open"):
            self.assertNotIn(name, wanted)


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.server = Server(cls.folder).start()
        cls.addClassCleanup(cls.server.stop)
        cls.url = f"http://127.0.0.1:{cls.server.port}"

    def run_program(self, *words, where=None, cwd=None, **env):
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=cwd,
                              env=clean_environment(SURROGATED_SERVER=where or self.url, **env))

    def surrogated(self, *words, data=None):
        done = subprocess.run([BINARY, *words, "--server", self.url], input=data, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def export(self, model):
        path = os.path.join(self.folder, f"{model}.srgm")
        self.surrogated("models", "export", model, "--format", "binary", "-o", path)
        return "file:" + path

    def check_predict(self, program, **env):
        done = self.run_program(program, "p", "0.1", "0.2", "0.3", **env)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(re.findall(r"(?m)^-?\d\.\d+ \+- \d\.\d+(?:e-\d+)?$", done.stdout)), 2, done.stdout)
        return done.stdout

    def test_the_program_in_c(self):
        self.server.request("PUT", "/v1/models/p", document())
        program = PROGRAMS["predict"]
        self.assertEqual(self.check_predict(program), self.check_predict(program, where=self.export("p")))
        for words, status, message in ((("p",), 2, "usage: predict"), (("none", "1", "2", "3"), 7, "there is no model none"),
                                       (("p", "1"), 1, "1 number, 3 are needed")):
            done = self.run_program(program, *words)
            self.assertEqual((done.returncode, done.stdout), (status, ""))
            self.assertIn(message, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
        done = self.run_program(program, "p", "1", where="file:/none")
        self.assertEqual((done.returncode, done.stderr), (3, "predict: /none cannot be opened: No such file or directory\n"))
        # As short as the page says.
        with open(os.path.join(EXAMPLES, "predict.c"), encoding="utf-8") as file:
            program = file.read()
        self.assertLessEqual(program.count("\n") - 3, 30)
        with open(os.path.join(EXAMPLES, "..", "README.md"), encoding="utf-8") as file:
            self.assertIn("```c\n" + program[program.index("#include"):] + "```\n", file.read())

    @unittest.skipIf(SANITIZED, "the installed library would need the sanitizer")
    def test_a_program_is_compiled_against_what_is_installed(self):
        self.server.request("PUT", "/v1/models/p", document())
        expected = self.check_predict(PROGRAMS["predict"])
        build = os.path.dirname(os.path.dirname(FOLDER))
        to = os.path.join(self.folder, "installed")
        done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", to], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (pc,) = [os.path.join(path, name) for path, _, names in os.walk(to) for name in names if name == "surrogated.pc"]
        libraries = os.path.dirname(os.path.dirname(pc))
        self.assertTrue(os.path.isfile(os.path.join(to, "usr/local/share/man/man3/libsurrogated.3")))
        env = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(pc), "PKG_CONFIG_SYSROOT_DIR": to}
        config = ["pkg-config", "surrogated", "--cflags", "--libs"]
        flags = subprocess.run(config, env=env, capture_output=True, text=True, check=True).stdout.split()
        static = subprocess.run([*config, "--static"], env=env, capture_output=True, text=True, check=True).stdout.split()
        static = [os.path.join(libraries, "libsurrogated.a") if flag == "-lsurrogated" else flag for flag in static]
        for name, words in (("shared", flags), ("static", static)):
            program = os.path.join(self.folder, name)
            subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", os.path.join(EXAMPLES, "predict.c"), "-o",
                            program, *words], check=True)
            env_of = {"LD_LIBRARY_PATH": libraries} if name == "shared" else {}
            self.assertEqual(self.check_predict(program, **env_of), expected)
        with open(os.path.join(self.folder, "p.cc"), "w", encoding="utf-8") as file:
            file.write("#include <surrogated.h>\nint main() { return surr_code_text(0)[0] != 'd'; }\n")
        subprocess.run(["c++", "-Wall", "-Werror", file.name, "-o", program, *flags], check=True)
        self.assertEqual(self.run_program(program, LD_LIBRARY_PATH=libraries).returncode, 0)

    @unittest.skipIf(WORDS is None, "no Fortran compiler: apt-get install gfortran")
    def test_words_of_categories_in_fortran(self):
        space = {"inputs": [{"name": "k"}, {"name": "mesh", "type": "category", "values": ["coarse", 'fine "2"', "medium"]}],
                 "outputs": [{"name": "q"}, {"name": "r"}]}
        self.server.request("PUT", "/v1/models/w", document(arch=architecture(inputs=4, outputs=2), space=space))
        given = [[0.125, 'fine "2"'], [0.5, "coarse"], [-0.75, "medium"], [0.25, "coarse"]]
        answer = self.server.request("POST", "/v1/models/w/predict", {"inputs": given, "return": ["mean"]})[2]
        for where in (self.url, self.export("w")):
            done = self.run_program(WORDS, "w", where=where)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            *means, short, beyond, too_many, no_column, stored = done.stdout.splitlines()
            self.assertEqual([list(map(float, line.split())) for line in means], answer["mean"])
            for line in (short, beyond, too_many, no_column):
                self.assertEqual(line, "1 inputs: words 0 have no column or are at NULL")
            self.assertEqual(stored, "0 4" if where == self.url else "12 0")
        rows = self.server.request("GET", "/v1/models/w/data/rows")[2]
        self.assertEqual(rows["inputs"], given)
        self.assertEqual(rows["outputs"], [[1, -1], [2, -2], [3, -3], [4, -4]])

    @unittest.skipIf(PROGRAMS["heat"] is None, "no Fortran compiler: apt-get install gfortran")
    def test_the_heat_equation_in_fortran(self):
        heat = PROGRAMS["heat"]
        done = self.run_program(heat, "--rows", "300")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.surrogated("data", "rate", "append", "-", "--outputs", "1", data=done.stdout)
        self.surrogated("train", "rate", "--solver", "ensemble", "--set", "members=3", "epochs=200", "seed=1", "--wait")
        path = self.export("rate")
        answers = [self.run_program(heat, "rate", where=where) for where in (self.url, path)]
        self.assertEqual([(done.returncode, done.stderr) for done in answers], [(0, "")] * 2)
        text = answers[0].stdout
        self.assertEqual(text, answers[1].stdout)
        # The same equation with the rate itself gives 0.7223 and 1.0396.
        mean, highest = map(float, re.fullmatch(r"temperature: mean (\S+), highest (\S+)\nrates: .* range: 0\n",
                                                text).groups())
        self.assertLess(abs(mean - 0.7223), 0.005, text)
        self.assertLess(abs(highest - 1.0396), 0.01, text)
        for words, where, status, message in ((("none",), self.url, 1, "there is no model none"),
                                              (("rate",), "file:/none", 1, "No such file"),
                                              ((), self.url, 2, "usage: heat")):
            done = self.run_program(heat, *words, where=where)
            self.assertEqual((done.returncode, done.stdout), (status, ""))
            self.assertIn(message, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
        self.check_under_mpi(text, path)

    def check_under_mpi(self, text, path):
        """Two processes have half of the bar each, and find the same."""
        if PROGRAMS["heat_mpi"] is None or MPIRUN is None or SANITIZED:
            self.skipTest("the rest needs MPI and no sanitizer: apt-get install libopenmpi-dev openmpi-bin")
        words = [MPIRUN, "-n", "2", "--oversubscribe", PROGRAMS["heat_mpi"]]
        env = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
               "TMPDIR": self.folder}
        for where in (self.url, path):
            done = self.run_program(*words, "rate", where=where, **env)
            self.assertEqual((done.returncode, done.stdout), (0, text), done.stderr)
        done = self.run_program(*words, "none", **env)
        self.assertEqual(done.returncode, 1)
        self.assertIn("heat: not found: there is no model none\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
