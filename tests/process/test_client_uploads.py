# SPDX-License-Identifier: Apache-2.0
"""Client commands that append, export and delete rows, and predict those of files."""

import json
import os
import signal
import stat
import subprocess
import time
import unittest

from client_harness import ClientTest, as_csv
from harness import BINARY, PATIENCE, document, rows


class Uploads(ClientTest):
    def total(self):
        return self.get("/v1/models/m/data")["rows"]

    def test_long_csv_goes_in_batches_cut_between_records(self):
        text = as_csv(rows(1000), header='a,"b\nin K",y\r\n')
        out = self.good("data", "m", "append", "-", "--outputs=1", "--batch-lines", "300", input=text)
        self.assertEqual([line.split(",")[1] for line in out.splitlines()],
                         [" 299 in all", " 599 in all", " 899 in all", " 1000 in all"])
        self.assertEqual(self.get("/v1/models/m/data")["batches"], 4)
        # Without a line end at the end, and with the other kinds of line ends.
        self.good("data", "m", "append", self.path("old.csv", "1,2,3\r4,5,6\r7,8,9"))
        self.assertEqual(self.total(), 1003)

    def test_json_and_several_files(self):
        one = self.path("one.json", json.dumps(rows(3)))
        two = self.path("two.csv", as_csv(rows(2)))
        out = self.good("data", "m", "append", one, two)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertEqual(self.total(), 5)
        self.assertEqual(self.good("data", "m", "append", "-", input="1,2,3\n").count("1 row appended"), 1)
        self.assertEqual(self.good("data", "m", "delete"), "m: 6 rows deleted\n")

    def test_what_is_refused_names_the_place_and_what_is_stored(self):
        text = "1,2,3\n" * 5 + "1,oops,3\n"
        done = self.bad(1, "line 6, column 2", "data", "m", "append", "-", "--outputs", "1",
                        "--batch-lines", "4", input=text)
        self.assertIn("after storing 4 rows", done.stderr)
        self.assertEqual(self.total(), 4)
        self.bad(1, "?outputs=N", "data", "new", "append", "-", input="1,2\n")
        self.bad(1, "empty", "data", "new", "append", "-", "--outputs", "1", input="")

    def test_predictions_of_malformed_rows_name_the_place(self):
        self.ok(201, "PUT", "/v1/models/m", document())
        for text, word in (("1,2,3\n1,x,3\n", 'line 2, column 2 is "x"'), ("1,2,3\n1,2\n", "line 2 has 2 columns"),
                           ("a,b,c\n1,2,nan\n", 'line 2, column "c" is missing'), ("", "no rows"),
                           ("1,2,nan\n1,2,3\n", "line 1, column 3 is missing"),
                           (",2,3\n1,2,3\n", "line 1, column 1 is missing"),
                           ("nan,,x\n", "column 2 has none"), ("a,b,c\n", "no rows"),
                           ("1,2\n", "3 are needed"), ('1,2,"3\n', "open quote"),
                           ('1,2,3\n"1"2,2,3\n', "line 2, column 1 goes on behind its closing quote"),
                           ("# note\n1;2;3\n\n1;2;1e999\n", "line 4, column 3 is not a finite number")):
            with self.subTest(text=text):
                self.bad(1, word, "predict", "m", "-", input=text)


    def test_a_bad_line_where_the_file_is_cut_is_no_header(self):
        text = "a,b,y\n" + "1,2,3\n" * 2 + "1,oops,3\n" + "4,5,6\n"
        done = self.bad(1, 'line 4, column "b" is "oops"', "data", "m", "append", "-", "--outputs", "1",
                        "--batch-lines", "3", "--key", '"k"', input=text)
        self.assertIn("after storing 2 rows", done.stderr)
        self.assertIn("\nsurrogated: the same command with --key k adds the rows that are missing\n", done.stderr)
        # So it does, once the line is what it should be.
        out = self.good("data", "m", "append", "-", "--outputs", "1", "--batch-lines", "3", "--key", '"k"',
                        input=text.replace("oops", "2"))
        self.assertEqual([line.split(" as ")[0] for line in out.splitlines()],
                         ["standard input: 2 rows had been appended", "standard input: 2 rows appended"])
        self.assertEqual(self.total(), 4)

    def test_each_part_of_a_table_is_read_as_the_first(self):
        text = '# made by hand\n"x 1";"z";"y"\n0,5;1;2\n0,25;1;2\n\n3;4;5\n6;7;8\n'
        self.good("data", "m", "append", "-", "--outputs", "1", "--batch-lines", "2", input=text)
        stored = self.ok(200, "GET", "/v1/models/m/data/rows")[1]
        self.assertEqual(stored, {"names": {"inputs": ["x 1", "z"], "outputs": ["y"]},
                                  "inputs": [[0.5, 1], [0.25, 1], [3, 4], [6, 7]],
                                  "outputs": [[2], [2], [5], [8]]})
        self.bad(1, 'line 8, column "z" is "a"', "data", "m", "append", "-", "--outputs", "1",
                 "--batch-lines", "2", input=text + "9;a;1\n")

    def test_a_short_line_where_the_file_is_cut_is_the_one_that_is_named(self):
        for separator in ",;\t ":
            text = "".join(separator.join(line) + "\n" for line in ("123", "456", "12", "789", "321"))
            self.bad(1, "line 3 has 2 columns, 3 are needed", "data", "m", "append", "-", "--outputs", "1",
                     "--batch-lines", "2", input=text)

    def test_parts_have_one_decimal_mark_and_the_last_may_be_a_comment(self):
        append = ("data", "m", "append", "-", "--outputs", "1", "--batch-lines", "2")
        self.good(*append, input="k;y\n1;2\n1,5;3\n2,5;3\n# the end\n\n")
        self.assertEqual(self.total(), 3)
        # 1.234 alone is a number, but here it is a thousand.
        self.bad(1, 'line 5, column "k" is "1.234"', *append, input="k;y\n1;2\n1,5;3\n2,5;3\n1.234;3\n")
        self.bad(1, "there are no rows", *append, input="# k y\n")

    def test_the_command_says_what_a_table_does_not_show(self):
        text = "0,1,2\n0.5,0.25,1.5\n0.75,0.5,1\n"
        append = ("data", "m", "append", "-", "--outputs", "1")
        done = self.bad(1, "may be a header or a row", *append, input=text)
        self.assertIn("--table header=present", done.stderr)
        self.good(*append, "--table", "header=present", input=text)
        names = self.ok(200, "GET", "/v1/models/m/data/rows")[1]["names"]
        self.assertEqual(names, {"inputs": ["0", "1"], "outputs": ["2"]})
        self.bad(2, "did you mean header?", *append, "--table", "headers=present", input=text)
        self.bad(2, "--table is for CSV", *append, "--table", "header=present", "--format", "npy", input=text)
        self.assertEqual(self.total(), 2)

    def test_names_of_other_things_do_not_delete_all(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        for name in ("..", ".", "", "../..", "%2e%2e"):
            self.bad(1, "", "data", "m", "delete", "--batch", name)
            self.bad(1, "", "models", "delete", "m", name)
        self.assertEqual(self.total(), 6)

    def test_a_pipe_or_a_device_takes_an_export_and_stays_what_it_is(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        whole = self.good("data", "m", "export")
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        client = subprocess.Popen([BINARY, "data", "m", "export", "-o", pipe], env=self.env)
        with open(pipe, encoding="ascii") as file:
            self.assertEqual(file.read(), whole)
        self.assertEqual(client.wait(PATIENCE), 0)
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
        # A link goes on pointing to the file it points to, and a shell's redirection gets what it asked for.
        link, target = self.path("link"), self.path("target", "old")
        os.symlink("target", link)
        self.good("data", "m", "export", "-o", link)
        self.assertTrue(os.path.islink(link))
        with open(target, encoding="ascii") as file:
            self.assertEqual(file.read(), whole)
        out = self.path("out")
        os.symlink("/proc/self/fd/1", out)  # as /dev/stdout is one
        with open(target, "w+", encoding="ascii") as file:
            done = subprocess.run([BINARY, "data", "m", "export", "-o", out], env=self.env, stdout=file,
                                  timeout=PATIENCE, check=False)
            self.assertEqual((done.returncode, file.read()), (0, whole))
        self.assertTrue(os.path.islink(out))

    def test_ctrl_c_ends_an_export_into_a_pipe_that_nobody_reads(self):
        self.ok(201, "POST", "/v1/models/m/data", rows(6))
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        client = subprocess.Popen([BINARY, "data", "m", "export", "-o", pipe], env=self.env,
                                  stderr=subprocess.PIPE)
        self.addCleanup(client.stderr.close)
        self.addCleanup(client.kill)
        while client.poll() is None:  # until its handler is there
            client.send_signal(signal.SIGINT)
            time.sleep(0.05)
        # Before the handler is there the signal itself ends it.
        self.assertIn(client.returncode, (130, -signal.SIGINT))

    def test_another_upload_under_a_key_is_not_promised_to_be_completed(self):
        args = ("data", "m", "append", "-", "--outputs", "1", "--batch-lines", "1", "--key", "q")
        self.good(*args, input="1,2,3\n4,5,6\n")
        done = self.bad(1, "idempotency", *args, input="1,2,3\n4,5,7\n")
        self.assertNotIn("--key", done.stderr)
        self.assertEqual(self.total(), 2)
        self.bad(2, "1 to 240 characters", *args[:-1], "k" * 241, input="1,2,3\n")

    def test_an_export_whose_reader_goes_away_ends_without_a_word(self):
        self.good("data", "m", "append", "-", "--outputs", "1", input="1,2,3\n" * 100000)
        client = subprocess.Popen([BINARY, "data", "m", "export"], env=self.env, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        self.assertEqual(client.stdout.readline(), b"x1,x2,y1\r\n")
        client.stdout.close()
        self.assertEqual((client.wait(PATIENCE), client.stderr.read()), (1, b""))
        client.stderr.close()

if __name__ == "__main__":
    unittest.main()
