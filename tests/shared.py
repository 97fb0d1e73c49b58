"""Where the real pictures with ground truth and the small open weights stand, beside the checkout or nowhere."""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared"
DATA = SHARED / "data"
WEIGHTS = SHARED / "weights"
