"""``molvae demo``: the whole job once, on the bundled sample, in about a minute."""

from __future__ import annotations

import shlex
from importlib.resources import as_file, files
from pathlib import Path

import click

from .options import force_option
from .output import note

SETTINGS = (
    "--embedding 64 --encoder 128 --decoder 256 --latent 64 --epochs 8 --batch-size 128 "
    "--learning-rate 3e-3 --warmup 100"
)
ENDS = ("CC(=O)Nc1ccc(OCC(N)=O)cc1", "Cc1ccc(S(=O)(=O)N2CCOCC2)cc1")


@click.command(
    epilog="""\b
Examples:
  molvae demo
  molvae demo -o somewhere/"""
)
@click.option("-o", "--output", default="molvae-demo", metavar="FOLDER", help="Folder to make.")
@force_option
def demo(output: str, force: bool) -> int:
    """Run the whole job on a small bundled data set, in about a minute on two cores.

    Trains a small model on 10,000 MOSES molecules, samples, interpolates, scores and draws. It
    shows the way, not the quality: a minute of training is far from enough for either good samples
    or good reconstruction."""
    import shutil

    from molvae.errors import UsageError

    folder = Path(output)
    if folder.exists():
        if not force:
            raise UsageError(f"{folder}: already exists; --force makes it anew")
        if folder.is_symlink() or not is_demo(folder):
            raise UsageError(
                f"{folder}: is a link, or not a folder of an earlier demo; choose another"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / "README.txt").write_text(CONTENTS, encoding="utf-8")
    with as_file(files("molvae_data") / "moses_sample.csv.gz") as sample:
        options = ["-o", folder / "model", "--no-cache", *SETTINGS.split()]
        step("1. Train a small model on 10,000 molecules", "train", sample, *options)
    model, samples = folder / "model", folder / "samples.csv"
    step("2. Draw new molecules", "sample", "-m", model, "-n", 200, "--seed", 1, "-o", samples)
    step("3. Score them", "score", samples, "-o", folder / "scored.csv")
    drawn = ["--steps", 9, "-o", folder / "path.csv", "--image", folder / "path.svg"]
    step("4. Walk from one molecule to another", "interpolate", "-m", model, *ENDS, *drawn)
    note("\n5. Draw the first samples")
    pictures(folder)
    note(
        f"\nAll of it is in {folder}/: open samples.svg, path.svg and scored.csv; README.txt lists "
        "the rest."
    )
    return 0


def is_demo(folder: Path) -> bool:
    """True if an earlier demo made ``folder``, so that nobody's own files are in it."""
    readme = folder / "README.txt"
    if not readme.is_file():
        return False
    first = CONTENTS.splitlines()[0].encode()
    with open(readme, "rb") as handle:
        return handle.read(len(first)) == first


def step(title: str, *arguments: object) -> None:
    """Announce a command, and run it as the user would."""
    from .main import cli

    command = [str(argument) for argument in arguments]
    note(f"\n{title}\n$ molvae {shlex.join(command)}")
    code = cli.main(command, prog_name="molvae", standalone_mode=False)
    if code:
        raise click.exceptions.Exit(code)


def pictures(folder: Path) -> None:
    """Draw twenty of the scored samples, the highest QED first."""
    import pandas

    from molvae.chem.drawing import draw_grid, save_picture

    best = pandas.read_csv(folder / "scored.csv").sort_values("QED", ascending=False).head(20)
    legends = [
        f"QED {qed:.2f}   SA {sa:.1f}" for qed, sa in zip(best["QED"], best["SA"], strict=True)
    ]
    save_picture(draw_grid(best["smiles"].tolist(), legends), folder / "samples.svg")


CONTENTS = """What molvae demo left here

model/        the trained model; molvae info model/ says what it is
samples.csv   200 new molecules drawn from the prior
scored.csv    the same, with properties and alerts
samples.svg   the twenty of highest QED
path.csv      the way from one molecule to another
path.svg      the same, drawn
"""
