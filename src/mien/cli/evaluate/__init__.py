"""``mien evaluate``: accuracy on data with ground truth, with sample counts and intervals; a module per command."""

from __future__ import annotations

import typer

from mien.cli.evaluate.action_units import au
from mien.cli.evaluate.attributes import age, attributes
from mien.cli.evaluate.blink import blink, eyes
from mien.cli.evaluate.clustering import clustering
from mien.cli.evaluate.detection import detection
from mien.cli.evaluate.explain import explain
from mien.cli.evaluate.expression import expression
from mien.cli.evaluate.fairness import fairness, probe
from mien.cli.evaluate.forgery import forgery, morph
from mien.cli.evaluate.gaze import gaze
from mien.cli.evaluate.identification import identification, membership
from mien.cli.evaluate.landmarks import landmarks
from mien.cli.evaluate.liveness import liveness
from mien.cli.evaluate.matting import matting
from mien.cli.evaluate.parsing import parsing
from mien.cli.evaluate.pose import pose
from mien.cli.evaluate.quality import quality
from mien.cli.evaluate.swaps import anonymization, swap
from mien.cli.evaluate.tracking import tracking
from mien.cli.evaluate.verification import rapid, verification

__all__ = ["app"]

app = typer.Typer(help="Accuracy on your data with ground truth.", no_args_is_help=True)


app.command()(au)
app.command()(age)
app.command()(anonymization)
app.command()(attributes)
app.command()(blink)
app.command()(eyes)
app.command()(clustering)
app.command()(detection)
app.command()(explain)
app.command()(expression)
app.command()(fairness)
app.command()(forgery)
app.command()(gaze)
app.command()(identification)
app.command()(landmarks)
app.command()(liveness)
app.command()(matting)
app.command()(membership)
app.command()(morph)
app.command()(parsing)
app.command()(pose)
app.command()(probe)
app.command()(quality)
app.command()(rapid)
app.command()(swap)
app.command()(tracking)
app.command()(verification)
