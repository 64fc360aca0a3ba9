"""Every option has its bounds, and a value that breaks them is refused by name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.config import (
    OLD_KEYS,
    SECTIONS,
    Config,
    TrainingConfig,
    build,
    checked_option,
    from_dict,
    read_toml,
    to_toml,
)
from molvae.errors import UsageError

RECIPES = Path(__file__).parents[1] / "recipes"
OPTIONS = [(name, item) for name, section in SECTIONS.items() for item in fields(section)]


@pytest.mark.parametrize(
    ("section", "item"), OPTIONS, ids=lambda value: getattr(value, "name", value)
)
def test_every_default_keeps_its_own_rule_and_has_words(section: str, item: object) -> None:
    assert checked_option(item, item.default, section) == item.default  # type: ignore[attr-defined, arg-type]
    assert item.metadata["help"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"training": {"epoch": 3}}, 'unknown key "epoch"; did you mean "epochs"?'),
        ({"trainign": {}}, 'unknown section "trainign"; did you mean "training"?'),
        ({"training": {"zzz": 1}}, "valid are epochs"),
        ({"epochs": 3}, 'unknown section "epochs"'),
        ({"training": 3}, "training must be a section of keys"),
        ({"training": {"epochs": 0}}, "epochs must be between 1 and 1e+06, not 0"),
        ({"training": {"epochs": True}}, "epochs must be a whole number, not True"),
        ({"training": {"epochs": 2.0}}, "epochs must be a whole number, not 2.0"),
        ({"training": {"epochs": "3"}}, "epochs must be a whole number, not '3'"),
        ({"training": {"beta": float("nan")}}, "beta must be a number, not nan"),
        ({"training": {"beta": float("inf")}}, "beta must be a number, not inf"),
        ({"training": {"beta": -1}}, "beta must be between 0 and 1000, not -1"),
        ({"training": {"beta": 10**400}}, "beta must be between"),
        (
            {"training": {"beta_schedule": "cosine"}},
            "beta_schedule must be one of constant, linear, cyclical",
        ),
        ({"training": {"learning_rate": 0.0}}, "learning_rate must be between"),
        ({"model": {"decoder": 10**9}}, "decoder must be between 1 and 8192, not 1000000000"),
        ({"model": {"latent": 0}}, "latent must be between 1 and 4096, not 0"),
        ({"data": {"neutralise": 1}}, "neutralise must be true or false, not 1"),
        ({"data": {"validation": 1.5}}, "validation must be between 0 and 0.5, not 1.5"),
        ({"data": {"split_seed": -1}}, "split_seed must be between"),
        (
            {"data": {"spellings": 2}, "model": {"posterior": "gaussian"}},
            "spellings are rebuilt at the highest",
        ),
        (
            {"data": {"spellings": 2}, "training": {"reconstruction_fraction": 0}},
            "spellings are rebuilt at the highest",
        ),
        (
            {"training": {"reconstruction_fraction": 0.8, "unconditional_fraction": 0.8}},
            "together are 1.6, more than 1",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_dict(values, "recipe.toml")
    assert str(caught.value).startswith("recipe.toml: ")
    assert words in str(caught.value)


OLD = {
    "model": {"sharpest": 0.9, "grammar": "surroundings", "surroundings": 64},
    "training": {"sharp_share": 0.3, "blank_share": 0.2, "level_power": 0.5},
}
NEW = {
    "model": {"max_signal": 0.9, "prefix_features": "environments", "environment_rows": 64},
    "training": {
        "reconstruction_fraction": 0.3,
        "unconditional_fraction": 0.2,
        "signal_exponent": 0.5,
    },
}


def test_old_keys_mean_the_new_ones() -> None:
    assert from_dict(OLD, "config.json") == from_dict(NEW, "config.json") != Config()
    assert not OLD_KEYS.keys() & {item.name for _, item in OPTIONS}
    for name in ("none", "place", "rings", "chemistry"):
        assert from_dict({"model": {"grammar": name}}, "test").model.prefix_features == name


def test_an_old_and_a_new_key_together_are_refused() -> None:
    with pytest.raises(UsageError, match="sharpest is the old name of max_signal; give one"):
        from_dict({"model": {"sharpest": 0.9, "max_signal": 0.9}}, "recipe.toml")


def test_a_recipe_with_old_keys_is_read_with_a_note_on_each(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[model]\nsharpest = 0.9\n[training]\nblank_share = 0.2\nepochs = 3\n")
    notes: list[str] = []
    (values,) = read_toml(path, notes.append)
    assert values == {
        "model": {"max_signal": 0.9},
        "training": {"unconditional_fraction": 0.2, "epochs": 3},
    }
    assert [note.partition(": ")[2] for note in notes] == [
        "sharpest is called max_signal now",
        "blank_share is called unconditional_fraction now",
    ]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_the_recipes_are_read_without_notes(path: Path) -> None:
    notes: list[str] = []
    from_dict(read_toml(path, notes.append)[0], path.name)
    assert not notes


def test_a_whole_number_is_a_number() -> None:
    config = build(TrainingConfig, {"beta": 1}, "test")
    assert config.beta == 1.0
    assert isinstance(config.beta, float)


def test_seed_zero_is_a_seed() -> None:
    assert from_dict({"training": {"seed": 0}}, "test").training.seed == 0


@given(
    epochs=st.integers(1, 10**6),
    beta=st.floats(0, 1000, allow_nan=False),
    schedule=st.sampled_from(["constant", "linear", "cyclical"]),
    neutralise=st.booleans(),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_configuration_survives_its_toml(
    tmp_path_factory: pytest.TempPathFactory,
    epochs: int,
    beta: float,
    schedule: str,
    neutralise: bool,
    seed: int,
) -> None:
    training = {"epochs": epochs, "beta": beta, "beta_schedule": schedule, "seed": seed}
    config = from_dict({"training": training, "data": {"neutralise": neutralise}}, "test")
    path = tmp_path_factory.getbasetemp() / "recipe.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert from_dict(read_toml(path)[0], "test") == config


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.touch()
    assert from_dict(read_toml(path)[0], "test") == Config()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not a readable TOML file"),
        (b"epochs 3", "not a readable TOML file"),
        (b"\xff\xfe\x00", "not a readable TOML file"),
        (b"a = " + b"[" * 100_000, "not a readable TOML file"),
        (b"epochs = 3", "epochs belongs in the section [training]"),
        (b"[training]\nepoch = 3", 'did you mean "epochs"?'),
        (b"[training]\nbeta = nan", "beta must be a number"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_toml(path)
    assert "recipe.toml" in str(caught.value)
    assert words in str(caught.value)
