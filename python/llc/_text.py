"""Puts what the programs say of flags into the words of Python."""

import re

_KEYED = re.compile(r"--([a-z][a-z-]*) \([a-z_.]+\)")
_KEY = re.compile(r"`(?:sampler|profile|point|run)\.([a-z_]+)`")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?: (?=[\w.]*\d)([\w.]+))?")


def as_python(text: str) -> str:
    """`--num-steps 5000` as `num_steps=5000`, `--num-steps (sampler.num_steps)` as `num_steps`.

    >>> as_python("increase --num-steps; give --batch-size 64 or less")
    'increase num_steps; give batch_size=64 or less'
    >>> as_python("unknown key `sampler.chains`")
    'unknown key `chains`'
    >>> as_python("--n-beta (sampler.n_beta) is -1")
    'n_beta is -1'
    """
    text = _KEY.sub(r"`\1`", text)
    text = _KEYED.sub(lambda match: match[1].replace("-", "_"), text)
    named = lambda match: match[1].replace("-", "_") + (f"={match[2]}" if match[2] else "")
    return _FLAG.sub(named, text)
