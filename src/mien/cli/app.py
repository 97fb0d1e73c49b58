"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import (
    analyze,
    anonymize,
    background,
    calibrate,
    check,
    demo,
    describe,
    doctor,
    edit,
    evaluate,
    forgery,
    gallery,
    generate,
    liveness,
    mask,
    models,
    portrait,
    provenance,
    reconstruct,
    reenact,
    restore,
    swap,
    track,
    verify,
)

__all__ = ["app"]

app = typer.Typer(
    name="mien",
    help="Everything a program does with faces in pictures and video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(analyze.detect)
app.command()(analyze.analyze)
app.command()(track.track)
app.command()(mask.mask)
app.command()(background.background)
app.command()(swap.swap)
app.command()(edit.edit)
app.command()(restore.restore)
app.command()(reenact.reenact)
app.command()(anonymize.anonymize)
app.command()(portrait.portrait)
app.command()(describe.describe)
app.command()(verify.verify)
app.command()(check.check)
app.command()(reconstruct.reconstruct)
app.command()(generate.generate)
app.command()(provenance.provenance)
app.command()(forgery.forgery)
app.command()(doctor.doctor)
app.command()(demo.demo)
app.add_typer(liveness.app, name="liveness")
app.add_typer(gallery.app, name="gallery")
app.add_typer(models.app, name="models")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(calibrate.app, name="calibrate")


def _print_version(asked: bool) -> None:
    if asked:
        import mien

        print(mien.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass
