# SPDX-License-Identifier: Apache-2.0
"""Workflow managers and clusters that simulate, upload, train and predict: Snakemake, Nextflow, Parsl, Dask, Ray and
Slurm, each where it is installed; and the job script of Slurm with the variables that Slurm sets."""

import os
import re
import shutil
import sys
import unittest

from adapter_harness import ADAPTERS, INPUTS, AdapterTest, has_packages, has_program

POINTS = ",".join(INPUTS) + "\n0.01,6,1,0.5\n0.005,8,1,0.4\n"


class Workflows(AdapterTest):
    def check_answers(self, model):
        """answers.csv holds what the server predicts."""
        head, *lines = self.read("answers.csv").splitlines()
        self.assertTrue(head.startswith("mean_mass,"), head)
        inputs = [[float(v) for v in line.split(",")] for line in POINTS.splitlines()[1:]]
        answer = self.predict(inputs, "mean", "std", model=model)
        self.assertEqual([[float(v) for v in line.split(",")] for line in lines],
                         [mean + std for mean, std in zip(answer["mean"], answer["std"])])

    @unittest.skipUnless(has_program("snakemake"), "Snakemake is missing: pip install snakemake")
    def test_snakemake(self):
        self.copy("snakemake/Snakefile")
        self.write("points.csv", POINTS)
        command = ("snakemake", "answers.csv", "--cores", "2", "--config", "parts=3")
        self.good(*command)
        self.check_answers("snake")
        self.assertEqual(self.rows_of("snake"), 75)
        # Uploads that are run again store nothing again.
        self.good(*command, "--forcerun", "upload")
        self.assertEqual(self.rows_of("snake"), 75)
        self.assertIn("had been appended", self.read("stored/1.txt"))
        # A refusal stops the workflow, and the model as it was remains.
        self.write("points.csv", "diffusivity\n0.01\n")
        self.assertNotEqual(self.run_here(*command).returncode, 0)

    @unittest.skipUnless(has_program("nextflow"), "Nextflow is missing")
    def test_nextflow(self):
        self.copy("nextflow/main.nf")
        self.write("points.csv", POINTS)
        self.good("nextflow", "-q", "run", "main.nf", "--parts", "3", NXF_OFFLINE="true", NXF_ANSI_LOG="false",
                  NXF_HOME=os.environ.get("NXF_HOME", os.path.join(self.folder, "nextflow")))
        self.check_answers("flow-nf")
        self.assertEqual(self.rows_of("flow-nf"), 75)

    @unittest.skipUnless(has_packages("parsl"), "Parsl is missing: pip install parsl")
    def test_parsl(self):
        self.copy("parsl/parsl_rows.py")
        for version in (1, 1):  # all again: the same rows, and so the same version
            out = self.good(sys.executable, "parsl_rows.py", "--parts", "3", "--runs", "25")
            first, *means = out.splitlines()
            self.assertEqual(first, f"75 rows, version {version}")
        answer = self.predict([[0.01, 6, 1, 0.5]], "mean", model="parsl")["mean"][0]
        self.assertEqual(means[0], " ".join(f"{value:.4f}" for value in answer))
        self.assertEqual(len(means), 4)

    def check_farm_tasks(self, script, model):
        self.copy(script)
        shutil.copy(os.path.join(ADAPTERS, "farm_tasks.py"), self.folder)
        for version in (1, 1):  # all again: the same rows, and so the same version
            out = self.good(sys.executable, os.path.basename(script), "--parts", "3", "--runs", "25")
            first, *means = out.splitlines()
            self.assertEqual(first, f"75 rows, version {version}")
        answer = self.predict([[0.01, 6, 1, 0.5]], "mean", model=model)["mean"][0]
        self.assertEqual(means[0], " ".join(f"{value:.4f}" for value in answer))
        self.assertEqual(len(means), 4)

    @unittest.skipUnless(has_packages("dask.distributed"), "Dask is missing: pip install dask distributed")
    def test_dask(self):
        self.check_farm_tasks("dask/dask_rows.py", "dask")

    @unittest.skipUnless(has_packages("ray"), "Ray is missing: pip install ray")
    def test_ray(self):
        self.check_farm_tasks("ray/ray_rows.py", "ray")

    def test_a_task_of_slurm_stores_its_rows_once(self):
        self.copy("slurm/array.sbatch")
        self.write("scontrol", "#!/bin/sh\necho \"$@\" >> requeued\n")
        os.chmod(self.path("scontrol"), 0o755)
        path = os.path.join(self.folder, "work") + os.pathsep + self.env["PATH"]
        for task in (1, 2, 1):
            self.good("sh", "array.sbatch", SLURM_ARRAY_JOB_ID="40", SLURM_ARRAY_TASK_ID=str(task),
                      SLURM_JOB_ID=str(40 + task), SLURMD_NODENAME="n1", PATH=path)
        self.assertEqual(self.rows_of("array"), 50)
        _, batches = self.ok(200, "GET", "/v1/models/array/data/batches")
        self.assertIn("task 40-2 on n1", str(batches))
        # Away: the task goes back into the queue, three times at most.
        for restarts, requeued in (("2", 1), ("3", 1)):
            done = self.run_here("sh", "array.sbatch", SLURM_ARRAY_JOB_ID="40", SLURM_ARRAY_TASK_ID="2",
                                 SLURM_JOB_ID="42", SLURM_RESTART_COUNT=restarts, RETRY_S="0", PATH=path,
                                 SURROGATED_SERVER="http://127.0.0.1:1")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertEqual(self.read("requeued").splitlines(), ["requeue 42"] * requeued)


@unittest.skipUnless(all(map(shutil.which, ("slurmctld", "slurmd", "sbatch", "munged"))) and os.getuid() == 0,
                     "a cluster of Slurm needs root and: apt-get install slurmctld slurmd slurm-client munge")
class Slurm(AdapterTest):
    def test_an_array_job_on_a_cluster_of_one_node(self):
        from slurm_cluster import Cluster  # pylint: disable=import-outside-toplevel
        self.copy("slurm/array.sbatch")
        with Cluster(self.folder) as cluster:
            out = self.good("sbatch", "array.sbatch", **cluster.env)
            job = re.search(r"Submitted batch job (\d+)", out)[1]
            cluster.wait(job)
            logs = [self.read(f"rows-{job}_{task}.log") for task in range(1, 5)]
        self.assertEqual(self.rows_of("array"), 100, logs)
        for task, log in enumerate(logs, 1):
            self.assertIn("25 rows appended", log, task)


if __name__ == "__main__":
    unittest.main()
