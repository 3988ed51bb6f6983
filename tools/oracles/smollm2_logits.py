#!/usr/bin/env python3
"""Logits and greedy decoding of SmolLM2-135M-Instruct by transformers: writes tests/data/logits/.

The weights are those of the default model's GGUF file, dequantised to f32 by the `gguf` package and put into
transformers' LlamaForCausalLM, so that the C engine and transformers compute the same function. The rows of
q_proj and k_proj are brought back into the order of Hugging Face files (halves of a head, not interleaved pairs).

  smollm2_logits.py [--model FILE.gguf] [--output DIR]

The model is that of --model, else of the environment variable EFFICIENTAI_TEST_MODEL.
tests/data/README.md tells what each file holds. Start reading at main; the other scripts here import load_model.
"""
import argparse
import json
import os
import pathlib

import gguf
import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

import hash_fill

ROOT = pathlib.Path(__file__).resolve().parents[2]
N_TOP = 8
N_VOCAB_SAMPLES = 64
N_GENERATED = 24

# Two texts are run alone; "pair" names the two that the C engine also runs packed, one behind the other, with no
# attention across them and positions that start again: the values must be those of the texts alone.
TEXTS = {
    "story": "The old lighthouse keeper counted 27 ships before noon, then wrote their names into a small green book.",
    "code": "def area(width, height):\n    return width * height\n\nprint(area(3, 4))",
    "chat": "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
}
PAIR = ["code", "chat"]
PROMPTS = {
    "capital": "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "water": "<|im_start|>user\nName three things that need water.<|im_end|>\n<|im_start|>assistant\n",
    "raw": "Once upon a time, in a village by the sea, there lived",
}


def model_argument(parser):
    parser.add_argument("--model", type=pathlib.Path, default=os.environ.get("EFFICIENTAI_TEST_MODEL"),
                        help="the default model's GGUF file")


def field(reader, key):
    return reader.fields[key].contents()


def load_tokenizer(reader):
    """The byte-level BPE of the file, by the `tokenizers` package. Digits stand alone (pre = smollm)."""
    tokens = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ")) for m in field(reader, "tokenizer.ggml.merges")]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tok.decoder = decoders.ByteLevel()
    kinds = field(reader, "tokenizer.ggml.token_type")
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, kinds) if k == 3])
    return tok


def unpermute(rows, n_heads):
    """From GGUF's order of a head's rows (pairs 2i, 2i+1) to Hugging Face's (i and i + head_dim/2)."""
    half = rows.shape[0] // n_heads // 2
    return rows.reshape(n_heads, half, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def load_weights(reader, n_heads, n_kv_heads):
    """The file's tensors under their Hugging Face names, f32."""
    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
             "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
             "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    state = {}
    for t in reader.tensors:
        data = gguf.dequantize(t.data, t.tensor_type).reshape([int(d) for d in reversed(t.shape)])
        parts = t.name.split(".")
        if parts[0] == "blk":
            if parts[2] == "attn_q":
                data = unpermute(data, n_heads)
            if parts[2] == "attn_k":
                data = unpermute(data, n_kv_heads)
            name = f"model.layers.{parts[1]}.{names[parts[2]]}.weight"
        else:
            name = {"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[parts[0]]
        state[name] = torch.from_numpy(np.array(data, np.float32))
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    return state


def load_model(path, dtype=torch.float32):
    """(model, tokenizer) of a Llama GGUF file with tied embeddings. The model is in eval mode."""
    if path is None:
        raise SystemExit("name the default model's GGUF file with --model or EFFICIENTAI_TEST_MODEL")
    reader = gguf.GGUFReader(path)
    heads, kv = field(reader, "llama.attention.head_count"), field(reader, "llama.attention.head_count_kv")
    config = transformers.LlamaConfig(
        vocab_size=len(field(reader, "tokenizer.ggml.tokens")), hidden_size=field(reader, "llama.embedding_length"),
        intermediate_size=field(reader, "llama.feed_forward_length"),
        num_hidden_layers=field(reader, "llama.block_count"), num_attention_heads=heads, num_key_value_heads=kv,
        rms_norm_eps=field(reader, "llama.attention.layer_norm_rms_epsilon"),
        max_position_embeddings=field(reader, "llama.context_length"),
        rope_parameters={"rope_type": "default", "rope_theta": field(reader, "llama.rope.freq_base")},
        tie_word_embeddings=True, attention_bias=False, mlp_bias=False, bos_token_id=1, eos_token_id=2,
        pad_token_id=2, attn_implementation="eager")
    model = transformers.LlamaForCausalLM(config)
    missing = model.load_state_dict(load_weights(reader, heads, kv), strict=True)
    assert not missing.missing_keys and not missing.unexpected_keys
    return model.to(dtype).eval(), load_tokenizer(reader)


def greedy(model, ids, n):
    """n more ids, each the most likely one, and the smallest distance of a best logit to the second best.
    The prompt is run whole each time (no cache): slow and plain."""
    out = list(ids)
    gap = float("inf")
    with torch.no_grad():
        for _ in range(n):
            best = model(torch.tensor([out]), use_cache=False).logits[0, -1].topk(2)
            out.append(int(best.indices[0]))
            gap = min(gap, float(best.values[0] - best.values[1]))
    return out[len(ids):], gap


def write_logits(model, tok, output, scalars):
    vocab = model.config.vocab_size
    sample = hash_fill.integers(hash_fill.STREAM_VOCAB, 0, N_VOCAB_SAMPLES, vocab)
    np.save(output / "vocab_sample.npy", sample)
    worst = 0.0  # f64 but for the norms, rotations and softmax, which transformers always computes in f32
    for name, text in TEXTS.items():
        ids = tok.encode(text).ids
        with torch.no_grad():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0]
            model.double()
            double = model(torch.tensor([ids]), use_cache=False).logits[0]
            model.float()
        worst = max(worst, float((logits - double).abs().max() / double.abs().max()))
        top = logits.topk(N_TOP, dim=-1)
        np.save(output / f"{name}_ids.npy", np.array(ids, np.int32))
        np.save(output / f"{name}_top_ids.npy", top.indices.numpy().astype(np.int32))
        np.save(output / f"{name}_top_logits.npy", top.values.numpy())
        np.save(output / f"{name}_sample_logits.npy", logits[:, torch.from_numpy(sample).long()].numpy())
        np.save(output / f"{name}_logsumexp.npy", torch.logsumexp(double, -1).float().numpy())
        scalars["texts"][name] = {"text": text, "tokens": len(ids), "max_abs_logit": float(logits.abs().max())}
        gaps = torch.sort(double, descending=True).values
        scalars["texts"][name]["smallest_gap_top1_top2"] = float((gaps[:, 0] - gaps[:, 1]).min())
    scalars["f32_against_f64_max_abs_over_max_logit"] = worst


def write_greedy(model, tok, output, scalars):
    for name, prompt in PROMPTS.items():
        ids = tok.encode(prompt).ids
        made, gap = greedy(model, ids, N_GENERATED)
        np.save(output / f"greedy_{name}_prompt.npy", np.array(ids, np.int32))
        np.save(output / f"greedy_{name}_ids.npy", np.array(made, np.int32))
        end = made.index(2) if 2 in made else len(made)
        scalars["greedy"][name] = {"prompt": prompt, "text": tok.decode(made[:end], skip_special_tokens=False),
                                   "ends_at": end if end < len(made) else None,
                                   "smallest_gap_top1_top2": gap}
        print(name, scalars["greedy"][name])
    assert scalars["greedy"]["capital"]["text"] == "The capital of France is Paris."


def main():
    parser = argparse.ArgumentParser(description="Writes the fixtures of SmolLM2's logits.")
    model_argument(parser)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "tests/data/logits")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.output.mkdir(parents=True, exist_ok=True)
    model, tok = load_model(args.model)
    scalars = {"made_by": "tools/oracles/smollm2_logits.py",
               "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
               "packed_pair": PAIR, "texts": {}, "greedy": {}}
    write_greedy(model, tok, args.output, scalars)
    write_logits(model, tok, args.output, scalars)
    (args.output / "scalars.json").write_text(json.dumps(scalars, indent=1) + "\n")


if __name__ == "__main__":
    main()
