"""One run of LoRA training, ours or PEFT's, in a process of its own.

Both train the same adapter (all linear layers) on the same rows in the same order, no padding, every token learned, with the
same number of threads. A run gives
    tokens/s             of the median of the steps after the warm-up
    peak RSS             of the process, as the system counts it
    time to first step   from the start of the process to the line that tells of its first step; with torch.compile this
                         has the compiling in it
    seconds              from the start of the process to its end, the adapter saved
That both trained on the same thing shows in the loss of the first step, before which no adapter changes anything.
"""
import collections
import json
import shutil
import statistics

from .process import ORACLES, ROOT, Failed, run_timed

PEER = ORACLES / "peft_speed.py"
ROWS = ROOT / "projects/lora-finetuning-mlx/data/train.jsonl"
RANK = 8
CHARACTERS = 8  # of a row a token: more than enough for these texts
SAME_LOSS = {"f32": 1e-3, "bf16": 2e-2, "int8": 5e-2}  # relative to what is expected

Job = collections.namedtuple("Job", "batch seq_len steps warm_up")


def write_rows(path, job):
    """Rows of text for all steps, each longer than seq_len tokens: the contents of the demo's chats, one after the other."""
    texts, n, size = [], job.steps * job.batch, CHARACTERS * job.seq_len
    with open(ROWS, encoding="utf-8") as f:
        for line in f:
            texts += [m["content"] for m in json.loads(line)["messages"][1:]]
    text = "\n".join(texts)
    text *= n * size // len(text) + 1
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        for i in range(n):
            f.write(json.dumps({"text": text[i * size: (i + 1) * size]}) + "\n")


def result_of(job, report, timed):
    first, seconds, rss, _ = timed
    step = statistics.median(report["step_seconds"][job.warm_up:])
    return {"tokens_per_s": job.batch * job.seq_len / step, "step_seconds": step, "peak_rss_bytes": rss,
            "time_to_first_step": first, "seconds": seconds, "first_loss": report["loss"][0]}


def run_ours(args, job, work, model, dtype):
    """`work` has data/train.jsonl, and gets the adapter."""
    output = work / "adapter"
    shutil.rmtree(output, ignore_errors=True)
    argv = [args.tool, "lora-finetuning-mlx:train", "--model", model, "--data", work / "data", "--output", output,
            "--batch-size", job.batch, "--seq-len", job.seq_len, "--rank", RANK, "--alpha", 2 * RANK, "--targets", "all",
            "--steps", job.steps, "--save-every", 0, "--no-shuffle", "--threads", args.threads, "--dtype", dtype]
    timed = run_timed(argv, r"train +1/", args.threads)
    report = json.loads((output / "report.json").read_text())
    data, n = report["data"], job.steps * job.batch
    if data["cut"] != n or report["tokens"] != n * job.seq_len or report["learned_tokens"] != n * (job.seq_len - 1):
        raise Failed(f"the rows are not {n} of {job.seq_len} tokens: {data}")
    return {**result_of(job, report, timed), "dtype": report["backend"]["dtype"], "isa": report["backend"]["isa"]}


def run_demo(args, steps, output, model, dtype):
    """Chats, of which the answers are learned, and the loss on others before and after."""
    shutil.rmtree(output, ignore_errors=True)
    argv = [args.tool, "lora-finetuning-mlx:train", "--model", model, "--data", ROWS.parent, "--output", output, "--batch-size", 2,
            "--seq-len", 192, "--steps", steps, "--learning-rate", 2e-4, "--warmup", 5, "--seed", 1, "--save-every", 0,
            "--threads", args.threads, "--dtype", dtype]
    run_timed(argv, r"train +1/", args.threads)
    before, *_, after = json.loads((output / "report.json").read_text())["validation"]
    return {"validation_loss": after["loss"], "loss_before": before["loss"]}


def run_peft(args, job, work, folders, config, more=None):
    """`folders`: what models.prepare_folders made; `more`: of the environment."""
    output = work / "peft-adapter"
    shutil.rmtree(output, ignore_errors=True)
    argv = [args.python, PEER, "train", folders, work / "data/train.jsonl", "--config", config, "--batch", job.batch,
            "--seq-len", job.seq_len, "--rank", RANK, "--threads", args.threads, "--steps", job.steps, "--save", output]
    timed = run_timed(argv, r"step 1:", args.threads, more)
    report = json.loads(timed[-1][-1])
    if report["threads"] != args.threads:
        raise Failed(f"PEFT ran with {report['threads']} threads, not {args.threads}")
    result = {**result_of(job, report, timed), "isa": report["isa"], "versions": report["versions"]}
    # what the first step took beyond the others is compiling, but for some tenths of a second
    compiling = report["step_seconds"][0] - result["step_seconds"]
    return {**result, "compile_seconds": compiling} if "compile" in config else result


def check_loss(name, run, expected, precision):
    """Refuses a run whose first loss is not that of the same model on the same rows."""
    if not abs(run["first_loss"] / expected - 1) <= SAME_LOSS[precision]:
        raise Failed(f"the first loss of '{name}' is {run['first_loss']}, {expected} was expected: they do not train on the same thing")
