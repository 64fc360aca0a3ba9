"""Options of data, model and training with defaults, units and bounds, and the TOML file of them.

The command line makes its options from these fields, so an option is added here and nowhere else.
Imports neither torch nor click: both would slow ``molvae --help`` down."""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from .errors import UsageError

PRIOR_LEVEL, PRIOR_NATS = 0.21, 3.1
"""Default noise level of sampling, and the KL that bounds it where a latent has many dimensions."""


def prior_level(latent: int) -> float:
    """The default noise level of sampling for ``latent`` dimensions: the lowest at which a draw
    depends on its latent (a shuffled-z gap of 5 nats); samples are nearly as good as at level 0
    (benchmarks/LOG.md).

    >>> prior_level(128), prior_level(256)
    (0.21, 0.155)
    """
    return min(PRIOR_LEVEL, round(math.sqrt(1.0 - math.exp(-2.0 * PRIOR_NATS / latent)), 3))


MAX_TEMPERATURE = 100.0
"""Highest sampling temperature: far below it symbols are already drawn almost uniformly."""

LARGEST_RECIPE = 1_000_000
"""Bytes of a file of options; its name may lead to a device that never ends."""

OLD_KEYS = {
    "sharpest": "max_signal",
    "grammar": "prefix_features",
    "surroundings": "environment_rows",
    "sharp_share": "reconstruction_fraction",
    "blank_share": "unconditional_fraction",
    "level_power": "signal_exponent",
}
"""Keys of models and recipes of earlier versions, and their names now."""

OLD_VALUES = {"prefix_features": {"surroundings": "environments"}}
"""Values of earlier versions, by today's key, and their names now."""

Section = TypeVar("Section", bound="DataConfig | ModelConfig | TrainingConfig")


def option(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with its help, its bounds (inclusive) and its choices."""
    return field(
        default=default, metadata={"help": help, "low": low, "high": high, "choices": choices}
    )


@dataclass(frozen=True)
class DataConfig:
    """Reading, standardisation, split and symbols of molecules."""

    rows: int = option(
        0,
        "use only this many rows, drawn at random with the split's seed (0: all)",
        0,
        10**12,
    )
    max_heavy_atoms: int = option(100, "largest molecule accepted, in heavy atoms", 1, 200)
    neutralise: bool = option(True, "neutralise charges where that leaves a valid molecule")
    vocabulary: int = option(256, "symbols at most, learned byte-pair merges included", 1, 4096)
    branch_ends: bool = option(
        True, "end branches with a symbol of their own, in place of a length at their beginning"
    )
    spellings: int = option(
        0, "other, random SMILES of each molecule that it also learns to rebuild", 0, 100
    )
    validation: float = option(
        0.05, "share of the molecules held out for validation (5,000 at most)", 0.0, 0.5
    )
    split_seed: int = option(0, "seed of the validation split", 0, 2**63 - 1)


@dataclass(frozen=True)
class ModelConfig:
    """The sizes of the network and the kind of its posterior."""

    embedding: int = option(128, "width of a symbol's embedding", 1, 4096)
    encoder: int = option(256, "units of the encoder GRU, in each direction", 1, 8192)
    decoder: int = option(512, "units of the decoder GRU", 1, 8192)
    latent: int = option(128, "dimensions of the latent vector z", 1, 4096)
    posterior: str = option(
        "levels",
        "levels: several noise levels in one model; gaussian: a mean and variance learned for each "
        "molecule",
        choices=("levels", "gaussian"),
    )
    max_signal: float = option(
        0.866,
        "with levels, the highest noise level a (signal share), the one that reconstructs",
        0.1,
        0.999,
    )
    prefix_features: str = option(
        "environments",
        "features of the SELFIES prefix that the decoder is given: none; branches and valences "
        "(place); also the rings it could close; also their chemistry; also the environment of the "
        "current atom",
        choices=("none", "place", "rings", "chemistry", "environments"),
    )
    environment_rows: int = option(
        4096,
        "rows of the table that each hash of the current atom's environment is looked up in; with "
        "--from, k times those of the model less one, and one: 8191 or 16381 from 4096",
        2,
        32761,
    )
    temperature: float = option(
        1.0,
        "temperature that molecules are drawn at unless another is named: below 1 likelier symbols",
        0.0,
        MAX_TEMPERATURE,
    )


@dataclass(frozen=True)
class TrainingConfig:
    """The ELBO and the loop."""

    epochs: int = option(20, "passes over the training molecules", 1, 1_000_000)
    minutes: float = option(
        0.0,
        "train for about this long instead of --epochs (0: off); the number of steps is fixed "
        "from the speed of the first ones",
        0.0,
        1e6,
    )
    batch_size: int = option(256, "molecules per optimiser step", 1, 1_000_000)
    learning_rate: float = option(2e-3, "peak learning rate of AdamW", 1e-8, 1.0)
    warmup: int = option(200, "steps of linear learning-rate warm-up, before the cosine", 0, 10**9)
    weight_decay: float = option(0.01, "AdamW weight decay on matrices", 0.0, 10.0)
    clip: float = option(5.0, "largest gradient norm", 1e-6, 1e6)
    ema: float = option(
        0.999, "decay of the averaged weights that are validated and kept", 0.0, 0.999999
    )
    beta: float = option(
        0.05,
        "with gaussian, weight of the KL in the loss; 1 is the ELBO, 0 a plain autoencoder",
        0.0,
        1000.0,
    )
    beta_schedule: str = option(
        "linear", "how beta is warmed up", choices=("constant", "linear", "cyclical")
    )
    beta_warmup: float = option(
        0.2,
        "share of training over which beta rises (of each cycle when cyclical)",
        0.0,
        1.0,
    )
    beta_cycles: int = option(4, "cycles of the cyclical warm-up", 1, 10_000)
    free_bits: float = option(
        0.0, "with gaussian, nats of KL a latent dimension that cost nothing", 0.0, 100.0
    )
    reconstruction_fraction: float = option(
        0.4,
        "with levels, fraction of the molecules trained at the highest level, a = max_signal",
        0.0,
        1.0,
    )
    unconditional_fraction: float = option(
        0.35, "with levels, fraction trained at level 0, without latent", 0.0, 1.0
    )
    signal_exponent: float = option(
        2.0,
        "with levels, the others' level is max_signal * u**exponent, u uniform: 2 favours low ones",
        0.1,
        10.0,
    )
    mc_samples: int = option(1, "Monte-Carlo samples of z per molecule and step", 1, 1000)
    seed: int = option(0, "seed of weights, batches and noise", 0, 2**63 - 1)
    precision: str = option("auto", "operands of matrix products", choices=("auto", "fp32", "bf16"))
    patience: int = option(
        0, "stop after this many validations without a better one (0: never)", 0, 10**6
    )


@dataclass(frozen=True)
class Config:
    """All sections together, as they are written beside a model."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Plain nested dictionaries, for JSON."""
        return asdict(self)


SECTIONS: dict[str, type[DataConfig | ModelConfig | TrainingConfig]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
}

SECTION_OF = {option.name: name for name, cls in SECTIONS.items() for option in fields(cls)}
"""The section of every option."""


def nearest(name: str, valid: list[str]) -> str:
    """A hint that names the closest valid key, or all of them.

    >>> nearest("epoch", ["epochs", "seed"])
    'did you mean "epochs"?'
    """
    if name in OLD_KEYS:
        return f'it is called "{OLD_KEYS[name]}" now'
    close = difflib.get_close_matches(name, valid, n=1)
    return f'did you mean "{close[0]}"?' if close else f"valid are {', '.join(valid)}"


def renamed(
    values: Mapping[str, Any], origin: str, said: Callable[[str], object] = lambda _: None
) -> dict[str, Any]:
    """Values of one section under today's names; ``said`` gets a note on every old one.

    >>> renamed({"grammar": "surroundings", "latent": 8}, "recipe.toml")
    {'prefix_features': 'environments', 'latent': 8}
    """
    found = {}
    for name, value in values.items():
        key = OLD_KEYS.get(name, name)
        if key != name:
            if key in values:
                raise UsageError(f"{origin}: {name} is the old name of {key}; give one")
            said(f"{origin}: {name} is called {key} now")
        old_values = OLD_VALUES.get(key, {})
        found[key] = old_values.get(value, value) if isinstance(value, str) else value
    return found


def build(section: type[Section], values: Mapping[str, Any], origin: str) -> Section:
    """The section with ``values`` over its defaults, old names read as the new ones.

    UsageError names the key, the value and the rule."""
    values = renamed(values, origin)
    known = {f.name: f for f in fields(section)}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f'{origin}: unknown key "{name}"; {nearest(name, list(known))}')
        values[name] = checked_option(known[name], value, origin)
    return section(**values)


def checked_option(one: Field[Any], value: Any, origin: str) -> Any:
    """``value`` in the type of a field's default; UsageError unless it fits that and its rule."""
    name, rule = one.name, one.metadata
    kind: type[Any] = type(one.default)
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
    right_type = isinstance(value, (int, float) if kind is float else kind)
    right_type &= isinstance(value, bool) == (kind is bool)
    if not right_type or (isinstance(value, float) and not math.isfinite(value)):
        raise UsageError(f"{origin}: {name} must be {wanted}, not {value!r}")
    if rule["choices"] and value not in rule["choices"]:
        raise UsageError(
            f"{origin}: {name} must be one of {', '.join(rule['choices'])}, not {value!r}"
        )
    low, high = rule["low"], rule["high"]
    if low is not None and not low <= value <= high:
        raise UsageError(f"{origin}: {name} must be between {low:g} and {high:g}, not {value!r}")
    return kind(value)


def from_dict(values: Mapping[str, Any], origin: str) -> Config:
    """The configuration in nested dictionaries, every key checked."""
    if not isinstance(values, Mapping):
        raise UsageError(f"{origin}: must hold the sections {', '.join(SECTIONS)}")
    for name, section in values.items():
        if name not in SECTIONS:
            raise UsageError(f'{origin}: unknown section "{name}"; {nearest(name, list(SECTIONS))}')
        if not isinstance(section, Mapping):
            raise UsageError(f"{origin}: {name} must be a section of keys, such as [{name}]")
    built: dict[str, Any] = {
        name: build(cls, values.get(name, {}), origin) for name, cls in SECTIONS.items()
    }
    config = Config(**built)
    check_together(config, origin)
    return config


def check_together(config: Config, origin: str) -> None:
    """UsageError for values that are valid alone and contradict each other."""
    rebuilt = config.training.reconstruction_fraction
    total = rebuilt + config.training.unconditional_fraction
    if config.data.spellings and (config.model.posterior == "gaussian" or not rebuilt):
        raise UsageError(
            f"{origin}: spellings are rebuilt at the highest noise level, and nothing is trained "
            "there"
        )
    if total > 1.0 + 1e-9:
        raise UsageError(
            f"{origin}: reconstruction_fraction and unconditional_fraction together are "
            f"{total:g}, more than 1"
        )


def read_toml(
    path: str | Path, said: Callable[[str], object] = lambda _: None
) -> list[dict[str, dict[str, Any]]]:
    """The stages of a recipe, a TOML file, each as the sections that it sets, checked.

    A recipe without any ``[[stage]]`` has one; sections outside the stages hold for all of them.
    ``said`` gets a note on every key that has another name now. UsageError if it cannot be read."""
    try:
        with open(path, "rb") as handle:
            content = handle.read(LARGEST_RECIPE + 1)
        if len(content) > LARGEST_RECIPE:
            raise ValueError(f"larger than {LARGEST_RECIPE:,} bytes")
        values = tomllib.loads(content.decode("utf-8").replace("\r\n", "\n"))
    # ValueError: what tomllib raises, and a number of 5,000 digits; RecursionError: deep nesting.
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})") from error
    stages = values.pop("stage", [{}])
    if not isinstance(stages, list) or not stages or not all(isinstance(s, dict) for s in stages):
        raise UsageError(f"{path}: a stage begins with [[stage]], then [stage.training] and so on")
    shared = _sections(values, str(path), said)
    found = []
    for stage in stages:
        own = _sections(stage, str(path), said)
        names = shared.keys() | own.keys()
        merged = {name: shared.get(name, {}) | own.get(name, {}) for name in sorted(names)}
        from_dict(merged, str(path))
        found.append(merged)
    return found


def _sections(
    values: dict[str, Any], path: str, said: Callable[[str], object]
) -> dict[str, dict[str, Any]]:
    """Sections of a recipe under today's names, checked."""
    for key in values:
        if home := SECTION_OF.get(OLD_KEYS.get(key, key)):
            raise UsageError(f"{path}: {key} belongs in the section [{home}]")
    from_dict(values, path)
    return {name: renamed(section, path, said) for name, section in values.items()}


def to_toml(config: Config) -> str:
    """The configuration as TOML that ``read_toml`` reads back to the same values."""
    lines: list[str] = []
    for name, section in config.as_dict().items():
        lines.append(f"[{name}]")
        for key, value in section.items():
            lines.append(f"{key} = {json.dumps(value)}")
        lines.append("")
    return "\n".join(lines)
