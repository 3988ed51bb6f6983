#!/usr/bin/env python3
"""Small random models of every family by transformers: writes tests/data/families/.

For each case a folder as save_pretrained writes it (config.json, one or several safetensors files), the logits of one
sequence, a greedy continuation, and what PEFT makes of an adapter on it: loss and gradient norm. A GGUF file of the
same weights, where llama.cpp has the family, must give the same logits. Some folders have further configurations
(config_NAME.json) for the same weights: other kinds of rotary scaling, windows, ways to write a config.json.

  families.py [--output DIR] [CASE ...]
  families.py --read DIR        # folders that EFFICIENTAI_TEST_KEEP=DIR test_models_families wrote: the same logits?

tests/data/README.md tells what each file holds. Start at CASES and main.
"""
import argparse
import copy
import importlib.metadata
import json
import math
import pathlib
import shutil

import gguf
import numpy as np
import peft
import torch
import transformers

import hash_fill
from smollm2_logits import ROOT

N_IDS = 40
N_GENERATED = 16
VOCAB = 64
RANK = 4
ALPHA = 8
B_RANGE = 0.1

BASE = {"vocab_size": VOCAB, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
        "num_attention_heads": 3, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "max_position_embeddings": 256,
        "attn_implementation": "eager", "pad_token_id": None, "bos_token_id": 1, "eos_token_id": 2}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
YARN = {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 64}

# name: class, storage type, settings, shards, architecture in GGUF, further configurations
CASES = {
    "llama": ("Llama", "float32", {"attention_bias": True, "mlp_bias": True, "head_dim": 12}, 1, "llama", {}),
    "llama3": ("Llama", "bfloat16", {"tie_word_embeddings": True, "rope_parameters": LLAMA3, "num_attention_heads": 6,
                                     "num_key_value_heads": 2, "head_dim": 8}, 1, "llama", {
        "old_style": {"rope_theta": 500.0, "rope_parameters": None,
                      "rope_scaling": {k: v for k, v in LLAMA3.items() if k != "rope_theta"}},
        "linear": {"rope_parameters": {"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0}},
        "dynamic": {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 4.0}},
        "yarn": {"rope_parameters": YARN},
        "yarn_scaled": {"rope_parameters": {**YARN, "mscale": 1.2, "mscale_all_dim": 0.7, "beta_fast": 16.0,
                                            "beta_slow": 2.0, "truncate": False}},
    }),
    "mistral": ("Mistral", "bfloat16", {"sliding_window": 8, "head_dim": 8}, 3, None, {
        "no_window": {"sliding_window": None}}),
    "qwen2": ("Qwen2", "float16", {"tie_word_embeddings": True, "use_sliding_window": False}, 1, "qwen2", {
        "window": {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1,
                   "layer_types": ["full_attention", "sliding_attention"]},
        "yarn": {"rope_parameters": YARN}}),
    "qwen3": ("Qwen3", "bfloat16", {"head_dim": 16, "use_sliding_window": False}, 2, "qwen3", {
        "yarn": {"rope_parameters": YARN}}),
    "smollm3": ("SmolLM3", "bfloat16", {"num_hidden_layers": 4, "no_rope_layer_interval": 4,
                                        "tie_word_embeddings": True}, 1, "smollm3", {
        "window": {"use_sliding_window": True, "sliding_window": 6, "no_rope_layers": [1, 0, 1, 0],
                   "layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]}}),
    "gemma3": ("Gemma3", "bfloat16", {
        "num_hidden_layers": 3, "head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
                            "full_attention": {"rope_type": "default", "rope_theta": 5000.0}}}, 1, "gemma3", {
        "old_style": {"rope_parameters": None, "rope_theta": 5000.0, "rope_local_base_freq": 100.0,
                      "layer_types": None, "sliding_window_pattern": 3, "query_pre_attn_scalar": 20,
                      "rope_scaling": {"rope_type": "linear", "factor": 4.0}}}),
}


def config_class(name):
    return getattr(transformers, "Gemma3TextConfig" if name == "Gemma3" else f"{name}Config")


def make_model(family, settings, seed):
    """Random weights large enough that every part of a block shows in the logits."""
    torch.manual_seed(seed)
    config = config_class(family)(**{**BASE, **copy.deepcopy(settings)})
    model = getattr(transformers, f"{family}ForCausalLM")(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("bias"):
                p.normal_(0, 0.3)
            elif p.dim() == 1:
                p.normal_(0.0 if family == "Gemma3" else 1.0, 0.2)
            elif "embed" in name:
                p.normal_(0, 0.3 if family == "Gemma3" else 1.0)
            else:
                p.normal_(0, 1.2 / math.sqrt(p.shape[1]))
    return model


def save(model, folder, shards, dtype):
    model = model.to(getattr(torch, dtype))
    bytes_all = sum(p.numel() * p.element_size() for p in model.parameters())
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size=10**9 if shards == 1 else bytes_all // shards + 600)
    (folder / "generation_config.json").unlink(missing_ok=True)
    make_readable(folder)


def make_readable(folder):
    """safetensors are written for their owner alone."""
    for f in folder.iterdir():
        f.chmod(0o644)


def write_variant(folder, variant, changes):
    """config_VARIANT.json: the folder's config.json with some keys changed (None: taken out)."""
    config = json.loads((folder / "config.json").read_text())
    for k, v in changes.items():
        if v is None and k != "sliding_window":
            config.pop(k, None)
        else:
            config[k] = v
    (folder / f"config_{variant}.json").write_text(json.dumps(config, indent=2) + "\n")


def load(folder, variant, dtype=torch.float32):
    """The model as anybody would load it; a variant through a folder of its own."""
    if not variant:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
    other = folder.parent / "variant"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    shutil.copy(folder / f"config_{variant}.json", other / "config.json")
    model = load(other, None, dtype)
    shutil.rmtree(other)
    return model


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].double().numpy()


def relative_error(got, expected):
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def greedy(model, ids):
    ids, gap = list(ids), math.inf
    for _ in range(N_GENERATED):
        last = logits(model, ids)[-1]
        top = np.sort(last)[-2:]
        gap = min(gap, float((top[1] - top[0]) / np.abs(last).max()))
        ids.append(int(last.argmax()))
    return ids[-N_GENERATED:], gap


def loss_and_norm(model, ids):
    """Mean loss of all next ids, and the norm of the gradients of everything that is trained."""
    out = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].double()
    loss = torch.nn.functional.cross_entropy(out[:-1], torch.tensor(list(ids[1:]), dtype=torch.long))
    loss.backward()
    norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in model.parameters() if p.requires_grad))
    return float(loss.detach()), norm


def lora_step(model, ids):
    """loss_and_norm with an adapter filled by the formula."""
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    parameters = sorted(((n.replace(".default", ""), p) for n, p in model.named_parameters() if "lora_" in n),
                        key=lambda item: item[0].encode())
    with torch.no_grad():
        for t, (name, p) in enumerate(parameters):
            is_b = "lora_B" in name
            a = B_RANGE if is_b else 1.0 / math.sqrt(p.shape[1])
            stream = hash_fill.STREAM_LORA_B if is_b else hash_fill.STREAM_LORA_A
            p.copy_(torch.from_numpy(hash_fill.uniform(stream, t, tuple(p.shape), a)))
    return loss_and_norm(model, ids)


# ---- GGUF: what llama.cpp's converter does to these families, by the gguf package's own names

def permute(w, n_head):
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def write_metadata(writer, config, arch):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    rope = config.rope_parameters
    writer.add_rope_freq_base((rope["full_attention"] if arch == "gemma3" else rope)["rope_theta"])
    if arch == "gemma3":
        writer.add_sliding_window(config.sliding_window)
        writer.add_uint32("gemma3.attention.sliding_window_pattern", 3)
        writer.add_float32("gemma3.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
    elif rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    elif rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def llama3_factors(config):
    """As convert_hf_to_gguf.py makes them for the tensor rope_freqs."""
    rope = config.rope_parameters
    frequencies = 1.0 / (rope["rope_theta"] ** (np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim))
    old = rope["original_max_position_embeddings"]
    factors = []
    for f in frequencies:
        wavelength = 2 * math.pi / f
        if wavelength < old / rope["high_freq_factor"]:
            factors.append(1.0)
        elif wavelength > old / rope["low_freq_factor"]:
            factors.append(rope["factor"])
        else:
            smooth = (old / wavelength - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def write_gguf(path, model, arch, dtype):
    config = model.config
    writer = gguf.GGUFWriter(path, arch)
    write_metadata(writer, config, arch)
    kind = {"float32": gguf.GGMLQuantizationType.F32, "float16": gguf.GGMLQuantizationType.F16,
            "bfloat16": gguf.GGMLQuantizationType.BF16}[dtype]
    names = gguf.get_tensor_name_map({v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch], config.num_hidden_layers)
    for name, p in model.named_parameters():
        w = p.detach().float().numpy()
        if arch in ("llama", "smollm3") and "q_proj" in name:
            w = permute(w, config.num_attention_heads)
        if arch in ("llama", "smollm3") and "k_proj" in name:
            w = permute(w, config.num_key_value_heads)
        if arch == "gemma3" and "norm" in name:
            w = w + 1
        t = gguf.GGMLQuantizationType.F32 if w.ndim == 1 else kind
        data = gguf.quants.quantize(np.ascontiguousarray(w), t)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), data, raw_dtype=t)
    if arch == "llama" and config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def run_case(output, number, name):
    family, dtype, settings, shards, arch, variants = CASES[name]
    folder = output / name
    save(make_model(family, settings, 100 + number), folder, shards, dtype)
    ids = hash_fill.integers(hash_fill.STREAM_IDS, 300 + number, N_IDS, VOCAB)
    np.save(folder / "ids.npy", ids)
    facts = {}
    for variant, changes in [(None, {}), *variants.items()]:
        if variant:
            write_variant(folder, variant, changes)
        tail = f"_{variant}" if variant else ""
        model = load(folder, variant)
        expected = logits(model, ids)
        exact = logits(load(folder, variant, torch.float64), ids)
        np.save(folder / f"logits{tail}.npy", expected.astype(np.float32))
        facts[variant or "config"] = {"f32_against_f64": relative_error(expected, exact)}
        if variant:
            continue
        ids_after, gap = greedy(model, ids)
        np.save(folder / "greedy.npy", np.array(ids_after, dtype=np.int32))
        if arch:
            write_gguf(folder / "model.gguf", model, arch, dtype)
        facts["greedy_smallest_gap"] = gap
        np.save(folder / "lora.npy", np.array(lora_step(model, ids), dtype=np.float32))
    print(name, facts)
    return facts


def read_written(fixtures, written):
    """Folders CASE-config, CASE-VARIANT and CASE-gguf, loaded by transformers, against the logits in `fixtures`."""
    worst, n_read = 0.0, 0
    for folder in sorted(written.iterdir()):
        if not (folder / "config.json").exists():
            continue
        name, kind = folder.name.split("-")
        tail = "" if kind in ("config", "gguf") else f"_{kind}"
        expected = np.load(fixtures / name / f"logits{tail}.npy")
        error = relative_error(logits(load(folder, None), np.load(fixtures / name / "ids.npy")), expected)
        worst, n_read = max(worst, error), n_read + 1
        print(f"{folder.name}: {error:.2g}")
    if n_read == 0 or not worst < 1e-5:
        raise SystemExit(f"{n_read} folders, worst error {worst}")


def run_script(description, output, cases, run, read):
    """The command line of a script of cases: what run(output, number, name) gives for each that is asked for, by name; or
    None after read(output, DIR) for --read DIR. Returns the output folder and that."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=pathlib.Path, default=output)
    parser.add_argument("--read", type=pathlib.Path, metavar="DIR", help="compare folders that were written here")
    parser.add_argument("cases", nargs="*", default=list(cases))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.read:
        read(args.output, args.read)
        return args.output, None
    args.output.mkdir(parents=True, exist_ok=True)
    return args.output, {name: run(args.output, list(cases).index(name), name) for name in args.cases}


def main():
    output, facts = run_script("Writes small models of every family with their logits.", ROOT / "tests/data/families",
                               CASES, run_case, read_written)
    if facts is None:
        return
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
                "gguf": importlib.metadata.version("gguf")}
    (output / "scalars.json").write_text(
        json.dumps({"made_by": "tools/oracles/families.py", "versions": versions, "cases": facts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
