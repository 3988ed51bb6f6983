#!/usr/bin/env python3
"""How the benches judge what they measured: `check.benches`, without a build, a model or a peer.

That a ratio is the right way round, that what a missing peer might change is open, that results of an earlier call stay, that
names of machines say what they must and no more, and that the plots are XML.
"""
import json
import os
import pathlib
import sys
import tempfile
import types
import unittest
import unittest.mock
import xml.dom.minidom

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import bench  # noqa: E402
from benches import jobs, models, plot, process, results, rows  # noqa: E402
from benches.process import Failed  # noqa: E402

MACHINE = {"cpu": "AMD EPYC", "family": "25", "model": "17", "isa": "avx512bf16", "threads": 2}


def row(sense, goal, peers=("a", "b")):
    return rows.Row("name", "what", "job", "figure", "s", sense, ("ours", "ours int8"), peers, {"amx": 9, "else": goal})


def judged(r, ours, missing=None, wanted=lambda column: True, isa="avx2", **peers):
    columns = {c: {"figure": v} for c, v in {"ours": ours, **peers}.items()}
    return results.judge(r, jobs.Measured(columns, missing or {}, {}), isa, wanted)


class Processes(unittest.TestCase):
    def test_peers_keep_below_the_set_that_ours_is_told(self):
        with unittest.mock.patch.dict("os.environ", {"EFFICIENTAI_CPU_ISA": "avx2"}):
            self.assertEqual(process.environment(2)["ONEDNN_MAX_CPU_ISA"], "AVX2")
        with unittest.mock.patch.dict("os.environ", {"EFFICIENTAI_CPU_ISA": "avx2", "ATEN_CPU_CAPABILITY": "default"}):
            self.assertEqual(process.environment(2)["ATEN_CPU_CAPABILITY"], "default")
        with unittest.mock.patch.dict("os.environ"):
            os.environ.pop("EFFICIENTAI_CPU_ISA", None)
            os.environ.pop("ONEDNN_MAX_CPU_ISA", None)
            self.assertNotIn("ONEDNN_MAX_CPU_ISA", process.environment(2))


class Judging(unittest.TestCase):
    def test_more_is_ours_to_the_larger_peer(self):
        r = judged(row(rows.MORE, 2), 30, a=10, b=15)
        self.assertEqual((r["peer"], r["ours"]["ours"]["ratio"], r["ours"]["ours"]["reached"]), ("b", 2.0, True))

    def test_less_is_ours_to_the_smaller_peer(self):
        r = judged(row(rows.LESS, 0.35), 30, a=100, b=80)
        self.assertEqual((r["peer"], r["ours"]["ours"]["ratio"], r["ours"]["ours"]["reached"]), ("b", 0.375, False))

    def test_faster_is_the_quicker_peer_to_ours(self):
        r = judged(row(rows.FASTER, 4), 10, a=50, b=40)
        self.assertEqual((r["peer"], r["ours"]["ours"]["ratio"], r["ours"]["ours"]["reached"]), ("b", 4.0, True))

    def test_a_missing_peer_leaves_open_what_it_could_change(self):
        for missing, wanted in (({"b": "not here"}, lambda c: True), ({}, lambda c: c != "b")):
            self.assertIs(judged(row(rows.MORE, 2), 30, missing, wanted, a=10)["ours"]["ours"]["reached"], None)
            self.assertIs(judged(row(rows.MORE, 2), 10, missing, wanted, a=10)["ours"]["ours"]["reached"], False)
            self.assertIn("b", judged(row(rows.MORE, 2), 30, missing, wanted, a=10)["missing"])

    def test_without_any_peer_there_is_no_ratio(self):
        r = judged(row(rows.MORE, 2), 30, {"a": "not here", "b": "not here"})
        self.assertEqual(r["ours"], {"ours": {"value": 30.0}})
        self.assertIn("not measured", results.line_of("name", r))

    def test_the_goal_is_that_of_the_instruction_set(self):
        self.assertEqual(judged(row(rows.MORE, 2), 30, isa="amx", a=10, b=10)["to_reach"], {"at_least": 9})
        self.assertEqual(judged(row(rows.MORE, 2), 30, isa="neon", a=10, b=10)["to_reach"], {"at_least": 2})


class Table(unittest.TestCase):
    def test_names_are_unique_and_columns_known(self):
        self.assertEqual(len({r.name for r in rows.ROWS}), len(rows.ROWS))
        for r in rows.ROWS:
            self.assertIn(r.job, jobs.JOBS)
            self.assertLessEqual(set(r.peers), {*jobs.PEERS, *jobs.SELF}, r.name)
            self.assertIn("else", r.goal)

    def test_against_leaves_rows_with_that_peer(self):
        args = types.SimpleNamespace(rows=["prompt-*", "memory"], against=["transformers"])
        self.assertEqual({r.name.split("-")[0] for r in bench.choose(args)}, {"prompt"})


class Files(unittest.TestCase):
    def test_merging_keeps_what_was_not_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "new/m.json"
            results.merge(path, MACHINE, "rows", {"a": 1, "b": 2})
            results.merge(path, MACHINE, "rows", {"b": 3})
            self.assertEqual(json.loads(path.read_text())["rows"], {"a": 1, "b": 3})
            results.merge(path, MACHINE, "curves", {"seq": {"128": 1}}, levels=2)
            self.assertEqual(results.merge(path, MACHINE, "curves", {"seq": {"256": 2}}, levels=2)["curves"], {"seq": {"128": 1, "256": 2}})

    def test_names_of_machines(self):
        self.assertEqual(results.slug_of(MACHINE), "amd-epyc-family-25-model-17-avx512bf16-2t")
        xeon = {**MACHINE, "cpu": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "isa": "amx", "threads": 16}
        self.assertEqual(results.slug_of(xeon), "intel-xeon-platinum-8481c-amx-16t")

    def test_no_paths_of_this_machine_are_kept(self):
        self.assertEqual(bench.command_of(["--tool", "/a/b", "--short", "--output=/c/d", "--rows", "memory"]),
                         "tools/bench.py --short --rows memory")
        self.assertEqual(jobs.reason_of(Failed("first\nno /a/b/c.gguf here\nexit status 1 of x")), "no c.gguf here")

    def test_plots_are_xml(self):
        for page in (plot.bars("<a & b>", [("x < y", [(0.3, True), (2, None)], "\u2264", 0.35, "p"), ("none", [], "\u2265", 2, "")]),
                     plot.panels("t", "x", [1, 2], [("a", {"c": {1: 5, 2: 6}}), ("none", {})])):
            xml.dom.minidom.parseString(page)


class Mixture(unittest.TestCase):
    def test_q4_k_m_is_llama_cpps(self):
        def kind(name, width):
            return models.type_of("q4_K_M", name, types.SimpleNamespace(n_dims=2, dim=[1, width]), 30)

        self.assertEqual(kind("model.embed_tokens.weight", 576), "q8_0")
        self.assertEqual(kind("model.embed_tokens.weight", 2048), "q6_K")
        self.assertEqual([kind(f"model.layers.{i}.mlp.down_proj.weight", 1536) for i in (0, 3, 4, 5, 29)],
                         ["q6_K", "q4_K", "q4_K", "q6_K", "q6_K"])
        self.assertEqual(kind("model.layers.0.self_attn.v_proj.weight", 576), "q8_0")
        self.assertEqual(kind("model.layers.0.self_attn.q_proj.weight", 576), "q5_0")


if __name__ == "__main__":
    unittest.main()
